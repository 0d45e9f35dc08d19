"""Plays a cell's users on the simulated engine, once for all costs that its steps may have.

In a closed loop a request comes when the one before it has ended, so which step computes what does
not depend on how long steps last. When each of them ends does, and that is linear in the costs. So
a cell is played once, and timed anew for any costs by a product of matrices.
"""

from collections.abc import Sequence as Sequences
from random import Random

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from llmbench.simulator import EngineModel, Sequence, VirtualTime
from llmbench.twin.cell_figures import Array, CellFigures, steady, tokens_per_s
from llmbench.twin.step_costs import ANY_STEP_MS, amounts, with_batches, with_costs
from llmbench.value_types import EngineSteps

BETWEEN_MS = 0.2
"""From an answer's end to the arrival of its user's next request, on one machine."""

GATHER_MS = 0.2
"""How long an idle engine is taken to wait for requests that come together, where it does."""

HAND_OVER_MS = 0.02
"""How long an engine takes to hand an answer over, where requests come in turn.

Only the order of requests and steps is of interest, so this is less than any step lasts.
"""

_BACK, _BACK_LATE = 3.0, 0.5
"""A user's next request comes so many hand-overs after the answer, and later by chance (the mean).

Measured with llama.cpp's server on one core and a client on another: it hands an answer over in
0.5 ms, and has the next request 1.5 to 2 ms later.
"""

DRAWS = 12
"""How often a repeat is played where chance decides which requests a step takes together.

All repeats are played by the same chances, so that only their prompts make a difference.
"""


class ClosedLoad(Struct, frozen=True):
    """`users` that each ask `warmups` and then `requests` times, with prompts of one length."""

    input_tokens: int
    output_tokens: int
    users: int
    requests: int
    warmups: int = 1


class TwinEngine(Struct, frozen=True):
    """A simulated engine, and how requests come whose users were answered by the same step.

    They come at one moment, or else `in_turn`: the engine hands over one answer after another, and
    users ask again one after another. Chance then decides which requests come before a step begins.
    Those that miss it stay a step behind, and such groups last for the rest of a cell.
    """

    steps: EngineSteps
    in_turn: bool = False

    @property
    def batches(self) -> tuple[int, ...]:
        """The numbers of sequences that have times of their own; none where a line tells all."""
        return tuple(sequences for sequences, _ in self.steps.batch_times_ms)


class PlayedCell(Struct, frozen=True):
    """A cell whose figures are known for all costs: each time is so much of each, and a constant.

    `ttft` and `per_token` are means over the requests of the window from `start` to `end`; `first`
    and `last` are the first and last tokens of all measured requests (requests × costs + 1).
    """

    load: ClosedLoad
    work: Array  # steps × sequences, context, prompt tokens, and the idle time before each step
    requests: Array  # measured: user, steps before it was sent, how late, before first, last token
    ttft: Array
    per_token: Array
    start: Array
    end: Array
    first: Array
    last: Array

    def figures(self, costs: Array) -> CellFigures:
        """The figures of this cell where steps have these costs."""
        each = np.append(costs, 1.0)
        window = float(self.start @ each), float(self.end @ each)
        rate = tokens_per_s(self.first @ each, self.last @ each, window, self.load.output_tokens)
        return CellFigures(float(self.ttft @ each), float(self.per_token @ each), rate)

    def shaped(self, batches: tuple[int, ...]) -> "PlayedCell":
        """The same of an engine that has times of its own for these numbers of sequences."""
        return _timed(self.load, self.work, self.requests, batches)


def _timed(load: ClosedLoad, work: Array, requests: Array, batches: tuple[int, ...]) -> PlayedCell:
    """When the requests of a cell were sent and answered, by the work of the steps until then."""
    each = amounts(work, batches)
    ends = np.vstack((np.zeros(each.shape[1]), np.cumsum(each, axis=0)))
    sent, first, last = (ends[requests[:, n].astype(np.int64)] for n in (1, 3, 4))
    sent[:, -1] += requests[:, 2]
    start, end, inside = window_rows(sent, last, requests[:, 0], len(batches))
    later = max(1, load.output_tokens - 1)
    return PlayedCell(
        load,
        work,
        requests,
        (first - sent)[inside].mean(axis=0),
        (last - first)[inside].mean(axis=0) / later,
        start,
        end,
        first,
        last,
    )


class _Recorder(EngineModel):
    """An engine that writes down what each of its steps did."""

    def __init__(self, steps: EngineSteps, hand_over_ms: float) -> None:
        super().__init__(steps, hand_over_ms=hand_over_ms)
        self.work_done: list[tuple[int, ...]] = []
        self.idle_ms: list[float] = []
        self._last_end_ns = 0

    def end_step(self) -> list[tuple[Sequence, int]]:
        assert self.due_ns is not None
        busy_since_ns = self.began_ns if any(self.work) else self.due_ns
        self.work_done.append(self.work)
        self.idle_ms.append((busy_since_ns - self._last_end_ns) / 1e6)
        self._last_end_ns = self.due_ns
        return super().end_step()


class PlayedDraws(Struct, frozen=True):
    """A cell as it was played for the load of each of its repeats, so often as chance has it."""

    loads: tuple[ClosedLoad, ...]
    played: dict[ClosedLoad, tuple[PlayedCell, ...]]

    @property
    def repeats(self) -> tuple[tuple[PlayedCell, ...], ...]:
        """The draws of each repeat."""
        return tuple(self.played[load] for load in self.loads)

    def each(self, costs: Array) -> Array:
        """The logarithms of each repeat's figures, means over its draws: repeats × figures."""
        means = {
            load: np.mean([draw.figures(costs).logs for draw in draws], axis=0)
            for load, draws in self.played.items()
        }
        return np.array([means[load] for load in self.loads])

    def logs(self, costs: Array) -> Array:
        """The logarithms of the cell's figures, means over the repeats."""
        return np.asarray(self.each(costs).mean(axis=0))

    def shaped(self, batches: tuple[int, ...]) -> "PlayedDraws":
        """The same of an engine that has times of its own for these numbers of sequences."""
        shaped = {
            load: tuple([draw.shaped(batches) for draw in draws])
            for load, draws in self.played.items()
        }
        return PlayedDraws(self.loads, shaped)


def play(loads: Sequences[ClosedLoad], engine: TwinEngine, draws: int = DRAWS) -> PlayedDraws:
    """Play the repeats of a cell on an engine of these limits and policy, whatever its costs."""
    steps = with_costs(with_batches(engine.steps, ()), np.array((ANY_STEP_MS, 0.0, 0.0, 0.0)))
    any_engine = structs.replace(engine, steps=steps)
    seeds = range(draws if engine.in_turn and loads[0].users > 1 else 1)
    played = {
        load: tuple([_Play(load, any_engine, seed).played(engine.batches) for seed in seeds])
        for load in set(loads)
    }
    return PlayedDraws(tuple(loads), played)


def window_rows(
    sent: Array, last: Array, user: Array, batches: int
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The rows of the window's start and end, and which requests were sent in it.

    What comes first doesn't depend on the costs, so it is looked up at any: all steps equally long.
    """
    any_costs = np.zeros(sent.shape[1])
    any_costs[: batches or 1], any_costs[-1] = ANY_STEP_MS, 1
    sent_ms, last_ms = sent @ any_costs, last @ any_costs
    start_ms, end_ms = steady(sent_ms, last_ms, user)
    inside = (sent_ms >= start_ms) & (sent_ms < end_ms)
    start = sent[int(np.argmin(np.abs(sent_ms - start_ms)))]
    return start, last[int(np.argmin(np.abs(last_ms - end_ms)))], inside


class _Play:
    """The users of one cell in virtual time."""

    def __init__(self, load: ClosedLoad, engine: TwinEngine, seed: int) -> None:
        self._load, self._in_turn = load, engine.in_turn
        self._random = Random(f"{seed}/in turn")
        self._engine = _Recorder(engine.steps, HAND_OVER_MS if engine.in_turn else 0.0)
        self._time = VirtualTime(self._engine, self._brought)
        self._answered = -1, 0  # at which moment, and how many then
        self._asked = dict.fromkeys(range(load.users), 0)
        self._under_way: dict[Sequence, list[float]] = {}
        self._rows: list[list[float]] = []  # user, sent, how late, first, last, measured

    def played(self, batches: tuple[int, ...]) -> PlayedCell:
        for user in self._asked:
            self._ask_soon(user)
        self._time.run()
        rows = np.array(self._rows)
        work = np.column_stack((np.array(self._engine.work_done), self._engine.idle_ms))
        return _timed(self._load, work, rows[rows[:, 5] > 0], batches)

    def _ask_soon(self, user: int) -> None:
        """Have a user's next request come right after the step that just ended."""
        late_ms = self._in_turn_ms() if self._in_turn else BETWEEN_MS
        after_steps = len(self._engine.work_done)
        come_ns = self._time.now_ns + round(late_ms * 1e6)
        self._time.at(come_ns, lambda: self._ask(user, after_steps, late_ms))

    def _in_turn_ms(self) -> float:
        """How long after a step's end the request comes that follows its next answer."""
        now_ns, (last_ns, answers) = self._time.now_ns, self._answered
        turn = answers if now_ns == last_ns else 0
        self._answered = now_ns, turn + 1
        return HAND_OVER_MS * (turn + _BACK + _BACK_LATE * self._random.expovariate(1.0))

    def _ask(self, user: int, after_steps: int, late_ms: float) -> None:
        measured = self._asked[user] >= self._load.warmups
        self._asked[user] += 1
        sequence = Sequence(self._load.input_tokens, self._load.output_tokens)
        self._under_way[sequence] = [user, after_steps, late_ms, 0, 0, measured]
        self._time.submit(sequence)

    def _brought(self, sequence: Sequence, tokens: int) -> None:
        row, steps = self._under_way[sequence], len(self._engine.work_done)
        if sequence.place == 1:
            row[3] = steps
        if not sequence.is_done:
            return
        row[4], user = steps, round(row[0])
        self._rows.append(self._under_way.pop(sequence))
        if self._asked[user] < self._load.warmups + self._load.requests:
            self._ask_soon(user)
