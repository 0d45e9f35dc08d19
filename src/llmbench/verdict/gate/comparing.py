"""The regression gate: compares two measured runs and gives a verdict for each cell and metric."""

from collections.abc import Iterator, Mapping, Sequence
from math import exp, log1p
from pathlib import Path
from typing import Literal

from msgspec import structs

from llmbench.results import CellResult
from llmbench.store import RunDir, run_at
from llmbench.verdict.gate.contrasts import contrasts, logs, unknown_metrics
from llmbench.verdict.gate.counts import CountDecision, decide_counts
from llmbench.verdict.gate.decisions import DEFAULT, Decision, Policy, decide
from llmbench.verdict.gate.overall import ALL_CELLS, decide_session
from llmbench.verdict.gate.samples.baselines import (
    ADVISORY,
    VERSION,
    CellSample,
    Sample,
    compared,
    load_baseline,
    read_baseline,
    sample_of,
)
from llmbench.verdict.gate.samples.fingerprints import differences
from llmbench.verdict.gate.stopping import settled
from llmbench.verdict.gate.tolerances import (
    RATES,
    TOLERANCES,
    UNITS,
    parse_allowance,
    parse_tolerances,
)
from llmbench.verdict.gate.verdicts import CellFault, Comparison, Verdict

Inconclusive = Literal["pass", "fail"]


def gate_run(
    folder: Path,
    name: str,
    run: RunDir,
    *,
    tolerance: str | None = None,
    anyway: bool = False,
    inconclusive: Inconclusive = "pass",
    host_allowance: str | None = None,
) -> Verdict:
    """Compare a run with the baseline `name` of `folder`."""
    baseline = load_baseline(folder, name)
    return _judged(baseline, sample_of(run), tolerance, anyway, inconclusive, host_allowance)


def compare(
    old: Path,
    new: Path,
    *,
    tolerance: str | None = None,
    anyway: bool = False,
    inconclusive: Inconclusive = "pass",
    host_allowance: str | None = None,
) -> Verdict:
    """Compare a run (a directory) with another one, or with a baseline (a file), from files."""
    return _judged(_side(old), _side(new), tolerance, anyway, inconclusive, host_allowance)


def _judged(
    old: Sample,
    new: Sample,
    tolerance: str | None,
    anyway: bool,
    inconclusive: Inconclusive,
    host_allowance: str | None,
) -> Verdict:
    """The verdict, with the tolerances and the host's allowance still as the user wrote them."""
    return judge_samples(
        old,
        new,
        tolerances=parse_tolerances(tolerance),
        anyway=anyway,
        inconclusive=inconclusive,
        policy=policy_of(host_allowance),
    )


def judge_samples(
    old: Sample,
    new: Sample,
    *,
    tolerances: Mapping[str, float] = TOLERANCES,
    anyway: bool = False,
    inconclusive: Inconclusive = "pass",
    policy: Policy = DEFAULT,
) -> Verdict:
    """The verdict on `new` against `old`; refused where their fingerprints differ."""
    shared = [cell for cell in old.cells if cell in new.cells]
    different = differences(old.fingerprint, new.fingerprint, shared)
    verdict = Verdict(
        old.name,
        new.name,
        faults=tuple(faults(old, new)),
        differences=different.refused,
        anyway=anyway,
        simulated=old.simulated or new.simulated,
        notes=tuple(_notes(old, new, shared, policy)),
        warnings=different.warnings,
        inconclusive=inconclusive,
    )
    if verdict.refused:
        return verdict
    usable = [c for c in shared if old.cells[c].repeats and new.cells[c].repeats]
    pairs = {cell: (old.cells[cell], new.cells[cell]) for cell in usable}
    firm = decide_session(contrasts(pairs, tolerances, True), policy)
    loose = decide(contrasts(pairs, tolerances, False), policy)
    rows = [comparison_of(o, gating=True) for o in firm]
    rows += [comparison_of(o, gating=False) for o in loose]
    both = {cell: (old.cells[cell], new.cells[cell]) for cell in shared}
    rows += [row_of_counts(o) for o in decide_counts(both, tolerances, policy)]
    order = [*shared, ALL_CELLS]
    return structs.replace(
        verdict,
        comparisons=tuple(sorted(rows, key=lambda row: order.index(row.cell))),
        notes=(*verdict.notes, *_common(firm, policy), *_disturbed(firm, old, new)),
    )


def decided(
    folder: Path,
    name: str,
    results: Sequence[CellResult],
    *,
    cells: int,
    tolerance: str | None = None,
) -> bool:
    """Whether the repeats of one cell so far settle its verdict against a baseline.

    This is also true for a cell that the baseline doesn't have, as no repeat can help it.
    """
    baseline = load_baseline(folder, name)
    cell_id = results[-1].summary.cell_id if results else ""
    if cell_id not in baseline.cells:
        return bool(results)
    good = [compared(r.summary) for r in results if r.valid]
    if not good:
        return False
    names = dict.fromkeys(name for measured in good for name in measured)
    metrics = {name: [measured.get(name) for measured in good] for name in names}
    now = CellSample(metrics, 0, len(good), advisory=[*ADVISORY])
    both = {cell_id: (baseline.cells[cell_id], now)}
    own = contrasts(both, parse_tolerances(tolerance), True)
    noise = {
        metric: [
            tuple(logs(metric, cell.metrics[metric]))
            for other, cell in baseline.cells.items()
            if other != cell_id and metric in cell.metrics
        ]
        for metric in {c.metric for c in own}
    }
    return settled(own, noise, cells=cells)


def policy_of(host_allowance: str | None) -> Policy:
    """The gate's usual policy, with another allowance for the host if one is given."""
    if host_allowance is None:
        return DEFAULT
    return structs.replace(DEFAULT, shared_drift=parse_allowance(host_allowance))


def _side(path: Path) -> Sample:
    return sample_of(RunDir.open(path)) if run_at(path).is_dir() else read_baseline(path)


def faults(old: Sample, new: Sample) -> list[CellFault]:
    """Faults of cells: on one side only, without a valid repeat, or no longer sustained."""
    found = []
    for cell in dict.fromkeys((*old.cells, *new.cells)):
        if cell not in new.cells:
            text = (
                f"in baseline {old.name} and not in this run: measure it, or store a new baseline"
            )
            found.append(CellFault(cell, "MISSING", text))
        elif cell not in old.cells:
            text = f"not in baseline {old.name}: store a new baseline that holds it"
            found.append(CellFault(cell, "MISSING", text))
        elif not new.cells[cell].repeats:
            found.append(CellFault(cell, "INVALID", new.cells[cell].why))
        elif not old.cells[cell].repeats:
            found.append(CellFault(cell, "INVALID", f"in {old.name}: {old.cells[cell].why}"))
        elif new.cells[cell].overloaded > old.cells[cell].overloaded == 0:
            times = f"in {new.cells[cell].overloaded} of {new.cells[cell].repeats} repeats"
            text = f"the server could not sustain the rate {times}; in {old.name} it could"
            found.append(CellFault(cell, "OVERLOADED", text))
        else:
            found += [
                CellFault(cell, "MISSING", f"{metric} is known in {old.name} and not in this run")
                for metric in unknown_metrics(old.cells[cell], new.cells[cell])
            ]
    return found


def _notes(old: Sample, new: Sample, cells: Sequence[str], policy: Policy) -> list[str]:
    notes = []
    for cell in cells:
        for side, measured in ((old.name, old.cells[cell]), (new.name, new.cells[cell])):
            if measured.invalid and measured.repeats:
                notes.append(
                    f"{cell}: {measured.invalid} INVALID repeats of {side} left out: {measured.why}"
                )
    notes += [
        f"{side.name} was stored by pytest-llmbench 0.1.0, which counted no failed or dropped "
        "requests and no lengths of outputs: store it again to gate them"
        for side in (old, new)
        if side.version < VERSION
    ]
    both = [min(old.cells[cell].repeats, new.cells[cell].repeats) for cell in cells]
    if any(0 < repeats < policy.least_repeats for repeats in both):
        notes.append(
            f"low power: fewer than {policy.least_repeats} repeats of some cells, so their "
            "interval rests on the noise of the others; use --llm-repeats 5 on both sides"
        )
    return notes


def _common(outcomes: Sequence[Decision], policy: Policy) -> Iterator[str]:
    """A note for each change of all cells that is certain, tolerated, and not put on the host."""
    for outcome in outcomes:
        more = outcome.near > 0 and outcome.shift > log1p(policy.shared_drift)
        if outcome.contrast.cell == ALL_CELLS and outcome.status == "PASS" and more:
            row = comparison_of(outcome, gating=True)
            yield (
                f"{row.metric} is worse by {row.change:+.1%} ({row.low:+.1%} to {row.high:+.1%}) "
                f"over all cells together: within the limit of {row.limit:+.0%}, and more than a "
                f"host's speed explains ({policy.shared_drift:.0%})"
            )


def _disturbed(outcomes: Sequence[Decision], old: Sample, new: Sample) -> Iterator[str]:
    """A note for each cell and side whose repeats were partly set aside."""
    for place, side in enumerate((old, new)):
        most: dict[str, int] = {}
        for outcome in outcomes:
            cell = outcome.contrast.cell
            most[cell] = max(most.get(cell, 0), outcome.disturbed[place])
        for cell, count in most.items():
            if count:
                yield (
                    f"{cell}: {count} of {side.cells[cell].repeats} repeats of {side.name} far "
                    "slower than the others set aside: something else ran on the host, or the "
                    "server stalls at times"
                )


def comparison_of(outcome: Decision, *, gating: bool) -> Comparison:
    """The row of a decision."""
    contrast, rate = outcome.contrast, outcome.contrast.metric in RATES
    ends = [outcome.near, outcome.far, outcome.shift, contrast.tolerance, outcome.smallest]
    low, high, change, limit, smallest = (exp(-v if rate else v) - 1 for v in ends)
    old, new = (sorted(side)[(len(side) - 1) // 2] for side in (contrast.old, contrast.new))
    return Comparison(
        cell=contrast.cell,
        metric=contrast.metric,
        state=outcome.status,
        gating=gating,
        old=exp(-old if rate else old),
        new=exp(-new if rate else new),
        unit=UNITS.get(contrast.metric, "ms"),
        change=change,
        low=min(low, high),
        high=max(low, high),
        confidence=outcome.confidence,
        limit=limit,
        repeats=(len(contrast.old), len(contrast.new)),
        p_value=outcome.p_value,
        low_power=outcome.low_power,
        more_repeats=outcome.more_repeats,
        smallest=smallest,
    )


def row_of_counts(outcome: CountDecision) -> Comparison:
    """The row of a decision on shares of requests."""
    return Comparison(
        cell=outcome.cell,
        metric=outcome.metric,
        state=outcome.status,
        gating=True,
        old=100 * outcome.old.value,
        new=100 * outcome.new.value,
        unit="%",
        change=outcome.change,
        low=outcome.low,
        high=outcome.high,
        confidence=DEFAULT.confidence,
        limit=outcome.tolerance,
        repeats=(0, 0),
        p_value=outcome.p_value,
        smallest=outcome.smallest,
        counts=(outcome.old.bad, outcome.old.of, outcome.new.bad, outcome.new.of),
    )
