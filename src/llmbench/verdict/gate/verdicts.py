"""What a comparison comes to: the nouns of the gate."""

from typing import Literal

from msgspec import Struct

State = Literal["PASS", "FAIL", "INCONCLUSIVE", "INVALID", "OVERLOADED", "MISSING", "REFUSED"]


class Comparison(Struct, frozen=True):
    """One metric of one cell, baseline against now. Ratios are now / baseline."""

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


class CellFault(Struct, frozen=True):
    """A cell that could not be compared, and why."""

    cell: str
    state: Literal["INVALID", "OVERLOADED", "MISSING"]
    message: str


class Verdict(Struct, frozen=True):
    """The outcome of a comparison. Without a fault or a FAIL it is green, INCONCLUSIVE or PASS."""

    baseline: str
    run: str
    comparisons: tuple[Comparison, ...] = ()
    faults: tuple[CellFault, ...] = ()
    differences: tuple[str, ...] = ()  # of the fingerprints
    anyway: bool = False  # compared although the fingerprints differ
    simulated: bool = False
    notes: tuple[str, ...] = ()

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
        return self.refused or bool(self.regressions or self.faults) or not self.comparisons

    @property
    def state(self) -> State:
        """In one word; what is worst counts."""
        if self.refused:
            return "REFUSED"
        states = [f.state for f in self.faults] + [c.state for c in self.comparisons if c.gating]
        for state in ("FAIL", "OVERLOADED", "MISSING", "INVALID", "INCONCLUSIVE", "PASS"):
            if state in states:
                return state
        return "MISSING"

    def of(self, cell_id: str) -> "Verdict":
        """The part of the verdict that is about one cell."""
        return Verdict(
            self.baseline,
            self.run,
            tuple(c for c in self.comparisons if c.cell == cell_id),
            tuple(f for f in self.faults if f.cell == cell_id),
            self.differences,
            self.anyway,
            self.simulated,
            self.notes,
        )
