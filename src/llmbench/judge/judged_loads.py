"""A client's report of a load beside the truth, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from llmbench.judge.served_load import LoadFigures

TIGHT, LOOSE = 0.01, 0.05

LATE_SHARE = 0.25
"""A server whose p99 of lateness exceeds this share of a token's time is not the one that was
asked for: its tokens come in bunches, and a load that it can't serve accuses no client."""

RULE = (
    "a client is within 1 % (5 %) of a load when TTFT and time per token, p50 and p99, are each "
    "reported within that of the truth, its failed requests are the server's, and as many requests "
    "as there are users were in flight at once, within as much; up to a number of users when that "
    "is so of all judged loads up to it. Rates are shown but not judged, as each tool chooses its "
    f"time for them. A load whose server was late (p99 above {LATE_SHARE:.0%} of a token's time) "
    "is not judged"
)

TIMES = {
    "TTFT p50": "ttft_p50_ms",
    "TTFT p99": "ttft_p99_ms",
    "time per token p50": "token_p50_ms",
    "time per token p99": "token_p99_ms",
}

FAULTS = {
    "packed events": ("token_p50_ms", "token_p99_ms"),
    "a beat": tuple(TIMES.values()),
    "an error event": ("failed",),
    "a queue": ("ttft_p50_ms", "ttft_p99_ms"),
}
"""What can be wrong with a truth server, and the figures by which a client's report shows it."""


def users_text(count: int) -> str:
    """``1 user``, ``64 users``."""
    return f"{count:,} user{'s' * (count != 1)}"


class PlannedLoad(Struct, frozen=True):
    """A load on a truth server of its own; `fault` is its trouble, empty where it has none."""

    users: int
    requests_per_user: int = 6
    ttft_ms: float = 50.0
    ms_per_token: float = 20.0
    input_tokens: int = 128
    output_tokens: int = 64
    fault: str = ""

    @property
    def users_text(self) -> str:
        """``1 user``, ``64 users``, and its fault."""
        fault = f", {self.fault}" if self.fault else ""
        return f"{users_text(self.users)}{fault}"

    @property
    def requests(self) -> int:
        return self.users * self.requests_per_user

    @property
    def seconds(self) -> float:
        """How long the load takes where nobody is late."""
        request_ms = self.ttft_ms + self.ms_per_token * (self.output_tokens - 1)
        return self.requests_per_user * request_ms / 1e3


class JudgedLoad(Struct, frozen=True):
    """One client under one load. Without `reported`, `failure` says why there is none.

    `cpu_us_per_token` is the CPU time of all its processes during the load, `cpu_s` that of its
    whole life, `startup_s` from its start to its first request.
    """

    client: str
    load: PlannedLoad
    true: LoadFigures | None
    reported: LoadFigures | None
    failure: str
    users_mean: float | None
    users_most: int | None
    cpu_us_per_token: float | None
    cpu_s: float
    startup_s: float | None
    server_late_p50_ms: float | None
    server_late_p99_ms: float | None

    @property
    def server_was_late(self) -> bool:
        """Whether the server itself was too late for a verdict on its client.

        A beat is late by design: the tokens of a step are due at once and leave one after another.
        """
        return (self.server_late_p99_ms or 0.0) > LATE_SHARE * self.load.ms_per_token

    @property
    def outcome(self) -> Literal["judged", "server late", "no figures"]:
        """Whether there is a verdict."""
        if self.reported is None or self.true is None:
            return "no figures"
        return "server late" if self.server_was_late else "judged"

    def error(self, figure: str) -> float | None:
        """The relative error of a figure of `LoadFigures`; None where either isn't known."""
        true, reported = getattr(self.true, figure, None), getattr(self.reported, figure, None)
        return None if not true or reported is None else reported / true - 1

    def problems(self, tolerance: float) -> tuple[str, ...]:
        """What of a judged load is further from the truth than `tolerance`."""
        return tuple(text for _, text in self._wrong(tolerance))

    def _wrong(self, tolerance: float) -> Iterator[tuple[str, str]]:
        """Each figure that is wrong, and how; none of a load that isn't judged."""
        if self.outcome != "judged":
            return
        true, reported = self.true, self.reported
        assert true is not None and reported is not None
        if reported.failed != true.failed:
            yield "failed", f"reports {reported.failed} of {true.failed} failed requests"
        if reported.requests > true.requests:
            text = f"reports {reported.requests} requests, the server got {true.requests}"
            yield "requests", text
        if (self.users_most or 0) < (1 - tolerance) * self.load.users:
            yield "users", f"only {self.users_most} users at once"
        for name, figure in TIMES.items():
            error = self.error(figure)
            if error is None and getattr(true, figure) is not None:
                yield figure, f"no {name}"
            elif error is not None and abs(error) > tolerance:
                yield figure, f"{name} {error:+.1%}"

    @property
    def verdict(self) -> str:
        """The verdict on the client under this load, in a few words."""
        if self.outcome == "server late":
            return "the server was late: not judged"
        if self.outcome == "no figures":
            return f"no figures: {self.failure}"
        for tolerance in (TIGHT, LOOSE):
            if not self.problems(tolerance):
                return f"within {100 * tolerance:g} %"
        return "; ".join(self.problems(LOOSE))

    @property
    def noticed(self) -> str:
        """The same of a load with a fault: whether the client's report shows what was done.

        What else is wrong is said besides.
        """
        if self.outcome == "server late":
            return self.verdict
        if self.outcome == "no figures":
            return f"stops: {self.failure}"
        telling = FAULTS[self.load.fault]
        wrong = list(self._wrong(LOOSE))
        of_fault = "; ".join(text for figure, text in wrong if figure in telling)
        besides = "; ".join(text for figure, text in wrong if figure not in telling)
        said = f"missed: {of_fault}" if of_fault else "told right"
        return f"{said} (besides: {besides})" if besides else said


def highest_within(loads: Sequence[JudgedLoad], tolerance: float) -> int | None:
    """The most users up to which the client is within `tolerance`; None if not even the fewest.

    Loads that could not be judged for the server's lateness are passed over.
    """
    highest = None
    for judged in sorted(loads, key=lambda it: (it.load.users, -it.load.ms_per_token)):
        if judged.server_was_late:
            continue
        if judged.outcome == "no figures" or judged.problems(tolerance):
            break
        highest = judged.load.users
    return highest
