"""A cell's numbers with the verdict on them: can they be trusted, and are they good enough?

`llmbench.metrics` fills a `CellSummary` from the records, `llmbench.verdict` judges it, and
`llmbench.report` shows it.
"""

from typing import Literal

from msgspec import Struct

from llmbench.results.summaries import CellSummary


class Problem(Struct, frozen=True):
    """A broken rule; the message says what was found, what the limit is and what to do next."""

    rule: str  # short and stable, as in "client_lag"
    message: str


class CellResult(Struct, frozen=True):
    """A cell's numbers with the verdict on them: first valid, then sustained, then good enough.

    OVERLOADED is an answer: the rate is the server's capacity, and its times are of the moment,
    for they grow for as long as the load lasts.
    """

    summary: CellSummary
    problems: tuple[Problem, ...] = ()  # why it is INVALID
    slo_misses: tuple[Problem, ...] = ()
    slo_undecided: tuple[Problem, ...] = ()  # limits that too few requests leave open
    notes: tuple[str, ...] = ()  # worth knowing, but no reason for doubt
    overloaded: Problem | None = None  # more was asked than the server could do

    @property
    def valid(self) -> bool:
        """Whether these numbers are the server's and not the client's."""
        return not self.problems

    @property
    def outcome(self) -> Literal["valid", "invalid", "overloaded"]:
        """Whether the numbers can be trusted, and if so whether the server kept up."""
        if self.problems:
            return "invalid"
        return "valid" if self.overloaded is None else "overloaded"

    @property
    def meets_slo(self) -> bool:
        """Whether no limit of the SLO is missed; `slo` also separates met from undecided.

        An overloaded server misses every SLO once the load lasts long enough.
        """
        return not self.slo_misses and self.overloaded is None

    @property
    def slo(self) -> Literal["met", "missed", "undecided"]:
        """The SLO's outcome; it is undecided if a limit would need more requests than there are."""
        if not self.meets_slo:
            return "missed"
        return "undecided" if self.slo_undecided else "met"

    @property
    def why(self) -> str:
        """What is wrong, a line for each rule; empty when nothing is."""
        return "\n".join(problem.message for problem in self.faults)

    @property
    def faults(self) -> tuple[Problem, ...]:
        """All that is wrong: with the measurement, the load, the SLO."""
        overloaded = () if self.overloaded is None else (self.overloaded,)
        return (*self.problems, *overloaded, *self.slo_misses)

    @property
    def stamp(self) -> str:
        """What must stand beside the numbers wherever they are shown.

        SIMULATED, and INVALID or OVERLOADED, as far as they hold.
        """
        simulated = "SIMULATED" if self.summary.simulated else ""
        outcome = "" if self.outcome == "valid" else self.outcome.upper()
        return f"{simulated} {outcome}".strip()


LoadUnit = Literal["requests/s", "users"]


class Search(Struct, frozen=True):
    """The most load within the SLO, found by trials: `met` is the answer, `missed` its bound.

    ``None``: no load met the SLO; none that was tried missed it. One that is not `confirmed` ended
    by its time, before both ends of the answer had been tried again. With a `capacity` the trials
    of `missed` met the SLO, but a server that was overloaded did no more than that: requests/s.
    """

    name: str  # as a cell's id, with what was searched in place of the load
    unit: LoadUnit
    met: float | None
    missed: float | None
    cells: tuple[str, ...]  # ids, one for each trial
    confirmed: bool = True
    capacity: float | None = None
