"""The scheduler of an inference engine as a pure state machine: no clock, no sleeping, no I/O.

Whoever drives it submits sequences at their times, and ends each step when it is due. A step takes
waiting prompts within a budget of tokens, brings a token to each sequence that runs, and lasts
α + β · sequences + γ · context + δ · prompt tokens. The memory for keys and values limits who runs.
What a prefix cache holds of a prompt is not computed again.
"""

from collections import deque
from collections.abc import Sequence as Sizes
from random import Random

from llmbench.simulator.scheduling.prefix_cache import PrefixCache
from llmbench.simulator.scheduling.step_work import NO_WORK, StepWork, step_ms
from llmbench.value_types import EngineSteps

LEAST_STEP = 0.1
"""A step is never shorter than this share of its mean, however large the jitter."""


class Sequence:
    """A prompt and its answer, with what the engine has done of them. Times are the driver's."""

    __slots__ = (
        "cached",
        "computed",
        "first_ns",
        "keys",
        "left",
        "output_tokens",
        "place",
        "prompt_tokens",
        "sent",
        "sizes",
        "started_ns",
        "submitted_ns",
    )

    def __init__(
        self,
        prompt_tokens: int,
        output_tokens: int,
        sizes: Sizes[int] = (),
        keys: tuple[int, ...] = (),
    ) -> None:
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.sizes = sizes  # tokens of each step that brings some; empty: one each
        self.keys = keys  # of the blocks of its prompt and its answer, for the prefix cache
        self.cached = 0  # tokens of the prompt that were found there
        self.submitted_ns = 0
        self.started_ns: int | None = None  # when its prompt was first taken
        self.first_ns: int | None = None
        self.computed = 0  # tokens whose keys and values are in memory
        self.sent = 0  # tokens of the answer
        self.place = 0  # steps that brought some
        self.left = prompt_tokens  # tokens to be computed before the next one comes

    @property
    def most_tokens(self) -> int:
        """The memory that it may come to need."""
        return self.prompt_tokens + self.output_tokens

    @property
    def is_done(self) -> bool:
        return self.sent >= self.output_tokens


class EngineModel:
    """Waiting and running sequences, and the step under way, which ends at `due_ns`."""

    def __init__(
        self,
        steps: EngineSteps,
        *,
        jitter: float = 0.0,
        seed: int = 0,
        cache: PrefixCache | None = None,
        hand_over_ms: float = 0.0,
    ) -> None:
        self._steps, self._jitter, self._cache = steps, jitter, cache
        self._hand_over_ms = hand_over_ms  # for each answer that ends, before others go on
        self._random = Random(f"{seed}/steps")
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.due_ns: int | None = None
        self.began_ns = 0  # the step under way
        self.work = NO_WORK  # of the step under way
        self.preemptions = 0
        self._ended_ns = 0  # the last step
        self._decode: list[Sequence] = []  # to whom the step under way brings a token, and how
        self._prefill: list[tuple[Sequence, int]] = []  # many tokens of whose prompts it computes
        self._decoded_alone = 0  # steps since a prompt was taken

    @property
    def held_tokens(self) -> int:
        """The tokens whose keys and values are in memory, or for which there is room set aside."""
        if self._steps.policy == "prefill-first":
            return sum(sequence.most_tokens for sequence in self.running)
        return sum(sequence.computed for sequence in self.running)

    def submit(self, sequence: Sequence, now_ns: int) -> None:
        """Let a sequence wait; an idle engine begins a step, once it has gathered what comes."""
        sequence.submitted_ns = now_ns
        self.waiting.append(sequence)
        if self.due_ns is None:
            begin_ns = max(now_ns, self._ended_ns)
            if self._steps.gather_ms:
                self._pause(begin_ns, self._steps.gather_ms)
            else:
                self._begin_step(begin_ns)

    def drop(self, sequence: Sequence) -> None:
        """Forget a sequence that nobody waits for any more; its last step still takes its time."""
        if sequence in self.running:
            self.running.remove(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)
        sequence.sent = sequence.output_tokens

    def end_step(self) -> list[tuple[Sequence, int]]:
        """End the step at `due_ns` and begin the next; who got how many tokens of its answer."""
        assert self.due_ns is not None, "no step is under way"
        now_ns, brought = self.due_ns, list[tuple[Sequence, int]]()
        for sequence, tokens in self._prefill:
            sequence.computed += tokens
            sequence.left -= tokens
            if not sequence.left and not sequence.is_done:
                self._keep(sequence, now_ns, sequence.prompt_tokens)
                brought.append((sequence, self._bring(sequence, now_ns)))
        for sequence in self._decode:
            if not sequence.is_done:
                sequence.computed += 1
                brought.append((sequence, self._bring(sequence, now_ns)))
        for sequence in self.running:
            if sequence.is_done:
                self._keep(sequence, now_ns)
        going_on = [sequence for sequence in self.running if not sequence.is_done]
        ended, self.running = len(self.running) - len(going_on), going_on
        self._ended_ns = now_ns
        if ended and going_on and self._hand_over_ms:
            self._pause(now_ns, ended * self._hand_over_ms)
        else:
            self._begin_step(now_ns)
        return brought

    def _pause(self, now_ns: int, pause_ms: float) -> None:
        """Compute nothing for a while; the next step takes what has come by then."""
        self._decode, self._prefill = [], []
        self.began_ns, self.work = now_ns, NO_WORK
        self.due_ns = now_ns + round(pause_ms * 1e6)

    def _bring(self, sequence: Sequence, now_ns: int) -> int:
        """Give a sequence its next tokens."""
        size = sequence.sizes[sequence.place] if sequence.sizes else 1
        sequence.place += 1
        sequence.computed += size - 1
        sequence.sent += size
        if sequence.first_ns is None:
            sequence.first_ns = now_ns
        return size

    def _keep(self, sequence: Sequence, now_ns: int, tokens: int | None = None) -> None:
        """Let the prefix cache have the first `tokens` of a sequence, or all."""
        if self._cache is not None:
            self._cache.keep(sequence.keys, now_ns, tokens)

    def _look_up(self, sequence: Sequence) -> None:
        """Find in the prefix cache what needn't be computed of a prompt that waits."""
        if self._cache is None:
            return
        found = self._cache.take(sequence.keys, sequence.prompt_tokens, self.began_ns)
        sequence.left += sequence.computed - found
        sequence.computed = found
        if sequence.started_ns is None:
            sequence.cached = found

    def _begin_step(self, now_ns: int) -> None:
        self._decode, self._prefill = [], []
        if self.waiting and not self.running:
            now_ns = max(now_ns, self.waiting[0].submitted_ns)
        self.began_ns = now_ns
        if self._steps.policy == "prefill-first":
            self._fill_prefill_first()
        else:
            self._fill_mixed()
        for sequence, _ in self._prefill:
            if sequence.started_ns is None:
                sequence.started_ns = now_ns
        busy = self._decode or self._prefill
        self.due_ns = now_ns + self._duration_ns() if busy else None

    def _duration_ns(self) -> int:
        self.work = StepWork(
            len(self._decode) + len(self._prefill),
            sum(sequence.computed for sequence in self._decode),
            sum(tokens for _, tokens in self._prefill),
        )
        lasts_ms = step_ms(self._steps, self.work)
        if self._jitter:
            lasts_ms *= max(LEAST_STEP, self._random.gauss(1.0, self._jitter))
        return round(lasts_ms * 1e6)

    # whole prompts in steps of their own, as TGI 0.9.4 does

    def _fill_prefill_first(self) -> None:
        """Take waiting prompts into a step of their own, else decode.

        While sequences run, prompts wait until there are enough of them to be worth the
        interruption, or until they have waited for some steps. The memory for all that a sequence
        may come to need is set aside, so none is preempted.
        """
        steps, running = self._steps, len(self.running)
        patient = running and self._decoded_alone < steps.most_waiting_steps
        least = int(running * steps.waiting_served_ratio) if patient else 1
        taken = self._whole_prompts()
        if taken and len(taken) >= least:
            for sequence in taken:
                self.waiting.popleft()
                self.running.append(sequence)
            self._prefill = [(sequence, sequence.left) for sequence in taken]
            self._decoded_alone = 0
        else:
            self._decode = list(self.running)
            self._decoded_alone += 1

    def _whole_prompts(self) -> list[Sequence]:
        """The first of those that wait, as far as budget, sequences and memory reach."""
        steps, taken = self._steps, list[Sequence]()
        budget, room = steps.token_budget, steps.most_sequences - len(self.running)
        memory = steps.kv_tokens - self.held_tokens
        for sequence in self.waiting:
            self._look_up(sequence)
            budget -= sequence.left
            memory -= sequence.most_tokens
            alone = not self.running and not taken  # then it is taken, however large it is
            late = sequence.submitted_ns > self.began_ns  # its driver ended the last step late
            if late or (not alone and (budget < 0 or memory < 0 or len(taken) == room)):
                break
            taken.append(sequence)
        return taken

    # decoding and pieces of prompts in one step, as vLLM does

    def _fill_mixed(self) -> None:
        """Decode for all that run, and spend the rest of the budget on prompts, piece by piece.

        Memory is taken as it is needed. Where there is none left, the sequence that came last
        gives its own back, and is computed anew later.
        """
        budget, preempted = self._steps.token_budget, self.preemptions
        for sequence in list(self.running):
            if sequence not in self.running or not budget:
                continue
            tokens = min(sequence.left, budget) or 1
            if not self._make_room(sequence, tokens):
                continue
            budget -= tokens
            self._plan(sequence, tokens)
        while self.waiting and budget and self.preemptions == preempted:
            sequence = self.waiting[0]
            late = sequence.submitted_ns > self.began_ns
            if late or len(self.running) == self._steps.most_sequences:
                break
            self._look_up(sequence)
            tokens = min(sequence.left, budget)
            if self.running and self._free() < sequence.computed + tokens:
                break
            self.running.append(self.waiting.popleft())
            budget -= tokens
            self._plan(sequence, tokens)

    def _plan(self, sequence: Sequence, tokens: int) -> None:
        if sequence.left:
            self._prefill.append((sequence, tokens))
        else:
            self._decode.append(sequence)

    def _free(self) -> int:
        """The memory that neither sequences nor the step being filled have."""
        planned = len(self._decode) + sum(tokens for _, tokens in self._prefill)
        return self._steps.kv_tokens - self.held_tokens - planned

    def _make_room(self, sequence: Sequence, tokens: int) -> bool:
        """Preempt from the end until there is room; whether `sequence` itself still runs."""
        while self._free() < tokens and len(self.running) > 1:
            last = self.running.pop()
            self.preemptions += 1
            self._prefill = [(s, n) for s, n in self._prefill if s is not last]
            self._decode = [s for s in self._decode if s is not last]
            last.left, last.computed = last.computed + last.left, 0
            self.waiting.appendleft(last)
            if last is sequence:
                return False
        return True
