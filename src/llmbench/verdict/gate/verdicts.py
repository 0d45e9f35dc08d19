"""The nouns of the gate: what a comparison of two runs comes to."""

from typing import Literal

from msgspec import Struct, structs

State = Literal["PASS", "FAIL", "INCONCLUSIVE", "INVALID", "OVERLOADED", "MISSING", "REFUSED"]


class Comparison(Struct, frozen=True):
    """One metric of one cell, or of all cells together, in the baseline and now.

    Ratios are now / baseline. For shares of requests (`counts`), `old` and `new` are percentages,
    and `change`, its ends, `limit` and `smallest` are differences.
    """

    cell: str
    metric: str
    state: State
    gating: bool  # False: advisory
    old: float  # median of the repeats
    new: float
    unit: str
    change: float  # ratio - 1, for the metric as it is (throughput falls when it gets worse)
    low: float  # ends of the interval of `change`
    high: float
    confidence: float
    limit: float  # the change at which it is a regression
    repeats: tuple[int, int]
    p_value: float
    low_power: bool = False
    more_repeats: int | None = None  # on each side, until an INCONCLUSIVE one may be decided
    smallest: float | None = None  # change that would FAIL with 80 % power; None: none would
    counts: tuple[int, int, int, int] | None = None  # how many of how many, before and now
    launches: tuple[int, int] = (1, 1)  # that the repeats are of
    more_launches: int | None = None  # in place of `more_repeats` where both sides have several

    @property
    def beyond(self) -> bool:
        """Whether the change, however uncertain, is beyond the limit."""
        return self.change > self.limit if self.limit > 0 else self.change < self.limit


class CellFault(Struct, frozen=True):
    """A cell that could not be compared, and why."""

    cell: str
    state: Literal["INVALID", "OVERLOADED", "MISSING"]
    message: str


class Verdict(Struct, frozen=True):
    """The outcome of a comparison.

    Without a fault or a FAIL it is green (INCONCLUSIVE or PASS); with `inconclusive` "fail" only
    PASS is green.
    """

    baseline: str
    run: str
    comparisons: tuple[Comparison, ...] = ()
    faults: tuple[CellFault, ...] = ()
    differences: tuple[str, ...] = ()  # of the fingerprints
    anyway: bool = False  # compared although the fingerprints differ
    simulated: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()  # differences of the fingerprints that only may move a number
    inconclusive: Literal["pass", "fail"] = "pass"  # what INCONCLUSIVE comes to

    @property
    def refused(self) -> bool:
        """Whether the runs are too different to be compared."""
        return bool(self.differences) and not self.anyway

    @property
    def regressions(self) -> tuple[Comparison, ...]:
        return tuple(c for c in self.comparisons if c.gating and c.state == "FAIL")

    @property
    def failed(self) -> bool:
        """Whether a merge must be stopped: a regression, a fault, or nothing comparable."""
        undecided = self.inconclusive == "fail" and self.state == "INCONCLUSIVE"
        bad = bool(self.regressions or self.faults) or undecided
        return self.refused or bad or not self.comparisons

    @property
    def state(self) -> State:
        """The outcome in one word, that of the worst part."""
        if self.refused:
            return "REFUSED"
        states = [f.state for f in self.faults] + [c.state for c in self.comparisons if c.gating]
        for state in ("FAIL", "OVERLOADED", "MISSING", "INVALID", "INCONCLUSIVE", "PASS"):
            if state in states:
                return state
        return "MISSING"

    def of(self, cell_id: str) -> "Verdict":
        """The part of the verdict that is about one cell, with its classes if it is a mix."""
        return structs.replace(
            self,
            comparisons=tuple(c for c in self.comparisons if _is_of(c.cell, cell_id)),
            faults=tuple(f for f in self.faults if _is_of(f.cell, cell_id)),
        )


def _is_of(name: str, cell_id: str) -> bool:
    """Whether `name` is the cell's, or that of one of its classes."""
    return name == cell_id or name.startswith(f"{cell_id}:")
