"""Records what the simulator really did; a client's report is compared with these times."""

import math
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import sub
from time import monotonic_ns
from typing import Any

from msgspec import Struct

from llmbench.simulator.scheduling.account import Account, Drafts
from llmbench.simulator.texts.seen_images import SeenImage

QUANTILES = (("p50", 0.50), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))

BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 60)
_BOUNDS_NS = [round(bound * 1e9) for bound in BUCKETS_S]


class ServedRequest(Struct, frozen=True):
    """A completion as the server saw it: when it came, and its first and last write with tokens.

    Times are monotonic; ``None`` where nothing was streamed.
    """

    outcome: str
    tokens: int
    received_ns: int
    first_ns: int | None = None
    last_ns: int | None = None


class Histogram:
    """A Prometheus histogram of seconds, fed with nanoseconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_ns = 0

    def add(self, values_ns: Iterable[int]) -> None:
        """Count `values_ns`."""
        for value in values_ns:
            self.counts[bisect_left(_BOUNDS_NS, value)] += 1
            self.sum_ns += value

    def lines(self, name: str) -> list[str]:
        """The histogram in Prometheus' text format."""
        below, lines = 0, [f"# TYPE {name} histogram"]
        for bound, number in zip((*BUCKETS_S, math.inf), self.counts, strict=True):
            below += number
            label = "+Inf" if bound == math.inf else f"{bound:g}"
            lines.append(f'{name}_bucket{{le="{label}"}} {below}')
        return [*lines, f"{name}_sum {self.sum_ns / 1e9:.9g}", f"{name}_count {below}"]


class Turn:
    """What came of all requests for the same turn of a conversation."""

    def __init__(self) -> None:
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.ttft = array("q")

    def page(self) -> dict[str, Any]:
        """The turn's part of the page ``/stats``."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "ttft_ms": quantiles(self.ttft),
        }


class Truth:
    """The times of all requests that finished since the last `reset`, and counts of all requests.

    Sending is stamped right before the write; receipt is stamped by the kernel where it can.
    """

    def __init__(self) -> None:
        self.ttft_histogram = Histogram()
        self.gap_histogram = Histogram()
        self.prompt_tokens = 0
        self.output_tokens = 0
        self.queried_tokens = 0  # of all prompts that were looked up in the prefix cache
        self.cached_tokens = 0
        self.drafts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forget the times, but not what ``/metrics`` counts."""
        self._outcomes: Counter[str] = Counter()
        self._served: list[ServedRequest] = []
        self._tokens = 0
        self._ttft = array("q")
        self._gaps = array("q")
        self._late = array("q")
        self._cached_tokens = 0
        self._turns: dict[int, Turn] = defaultdict(Turn)
        self._images: Counter[str] = Counter()  # by size
        self._different_images: set[int] = set()  # their checksums
        self._parts = {name: array("q") for name in ("queue_ms", "prefill_ms", "decode_ms")}
        self._drafts: Counter[str] = Counter()

    @property
    def served(self) -> list[ServedRequest]:
        """The requests that ended since the last `reset`, in the order of their ends."""
        return self._served

    def finished(
        self,
        outcome: str,
        prompt_tokens: int,
        output_tokens: int,
        received_ns: int,
        sent_ns: Sequence[int] = (),
    ) -> None:
        """Note that a request ended; `outcome` is "ok" or a word for what became of it.

        `sent_ns` are the times of its writes with tokens.
        """
        ends = (sent_ns[0], sent_ns[-1]) if sent_ns else (None, None)
        self._served.append(ServedRequest(outcome, output_tokens, received_ns, *ends))
        self._outcomes[outcome] += 1
        self._tokens += output_tokens
        self.prompt_tokens += prompt_tokens
        self.output_tokens += output_tokens

    def shown(self, images: Iterable[SeenImage]) -> None:
        """Note the images of a request."""
        for image in images:
            self._images[image.size] += 1
            self._different_images.add(image.checksum)

    def found(self, turn: int, prompt_tokens: int, cached_tokens: int) -> None:
        """Note what the prefix cache held of a prompt that begins to be computed."""
        self.queried_tokens += prompt_tokens
        self.cached_tokens += cached_tokens
        self._cached_tokens += cached_tokens
        if turn:
            self._turns[turn].prompt_tokens += prompt_tokens
            self._turns[turn].cached_tokens += cached_tokens

    def streamed(
        self, received_ns: int, sent_ns: list[int], late_ns: list[int], turn: int = 0
    ) -> None:
        """Note when the writes with tokens of a finished stream were made and how late each was."""
        ttft = [sent_ns[0] - received_ns]
        gaps = list(map(sub, islice(sent_ns, 1, None), sent_ns))
        self._ttft.extend(ttft)
        if turn:
            self._turns[turn].ttft.extend(ttft)
        self._gaps.extend(gaps)
        self._late.extend(late_ns)
        self.ttft_histogram.add(ttft)
        self.gap_histogram.add(gaps)

    def accounted(self, account: Account) -> None:
        """Note where the time of a finished answer went, and what its drafts came to."""
        for name, values in self._parts.items():
            values.append(round(getattr(account, name) * 1e6))
        for name in Drafts.__struct_fields__:
            self._drafts[name] += getattr(account.drafts, name)
            self.drafts[name] += getattr(account.drafts, name)

    def page(self) -> dict[str, Any]:
        """The page ``/stats``: times in milliseconds, of all requests that finished."""
        return {
            "requests": self._outcomes.total(),
            "outcomes": dict(self._outcomes),
            "tokens": self._tokens,
            "ttft_ms": quantiles(self._ttft),
            "itl_ms": quantiles(self._gaps),
            "lateness_ms": quantiles(self._late),
            **{name: quantiles(values) for name, values in self._parts.items()},
            "images": dict(self._images),
            "different_images": len(self._different_images),
            "cached_tokens": self._cached_tokens,
            "turns": {str(turn): one.page() for turn, one in sorted(self._turns.items())},
            "drafts": {name: self._drafts[name] for name in Drafts.__struct_fields__},
        }


class Occupancy:
    """How many requests run and wait and how much KV cache is held, with their means over time."""

    NAMES = ("running", "waiting", "kv_tokens")

    def __init__(self) -> None:
        self.now = (0, 0, 0)
        self.reset()

    def reset(self) -> None:
        """Let the means begin now."""
        self._began_ns = self._since_ns = monotonic_ns()
        self._sums = [0, 0, 0]

    def changed(self, running: int, waiting: int, kv_tokens: int) -> None:
        """Note what holds from now on."""
        self._until(monotonic_ns())
        self.now = (running, waiting, kv_tokens)

    def page(self) -> dict[str, float]:
        """What holds now, and its means since the last `reset`."""
        now_ns = monotonic_ns()
        self._until(now_ns)
        long_ns = max(1, now_ns - self._began_ns)
        means = {
            f"{name}_mean": s / long_ns for name, s in zip(self.NAMES, self._sums, strict=True)
        }
        return dict(zip(self.NAMES, self.now, strict=True)) | means | {"over_s": long_ns / 1e9}

    def _until(self, now_ns: int) -> None:
        for_ns, self._since_ns = now_ns - self._since_ns, now_ns
        for place, value in enumerate(self.now):
            self._sums[place] += value * for_ns


def quantiles(values: "array[int]") -> dict[str, float] | None:
    """Quantiles in milliseconds of values in nanoseconds, each one of them; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    places = {name: math.ceil(share * len(ordered)) - 1 for name, share in QUANTILES}
    mean = sum(ordered) / len(ordered)
    return {"n": len(ordered), "mean": mean / 1e6} | {
        name: ordered[place] / 1e6 for name, place in places.items()
    }
