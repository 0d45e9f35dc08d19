"""The regression gate: two measured runs in, a verdict for each cell and metric out."""

from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path

from llmbench.results import CellResult
from llmbench.store import RunDir
from llmbench.verdict.gate.baselines import (
    ADVISORY,
    CellSample,
    Sample,
    compared,
    load_baseline,
    read_baseline,
    sample_of,
)
from llmbench.verdict.gate.contrasts import contrasts, logs
from llmbench.verdict.gate.decisions import DEFAULT, Decision, Policy, decide
from llmbench.verdict.gate.fingerprints import differences
from llmbench.verdict.gate.stopping import after_stopping, settled
from llmbench.verdict.gate.tolerances import RATES, TOLERANCES, UNITS, parse_tolerances
from llmbench.verdict.gate.verdicts import CellFault, Comparison, Verdict


def gate_run(
    folder: Path, name: str, run: RunDir, *, tolerance: str | None = None, anyway: bool = False
) -> Verdict:
    """A run against the baseline `name` of `folder`."""
    return judge_samples(
        load_baseline(folder, name),
        sample_of(run),
        tolerances=parse_tolerances(tolerance),
        anyway=anyway,
    )


def compare(old: Path, new: Path, *, tolerance: str | None = None, anyway: bool = False) -> Verdict:
    """A run (directory) against another, or against a baseline (file), from files alone."""
    return judge_samples(
        _side(old), _side(new), tolerances=parse_tolerances(tolerance), anyway=anyway
    )


def judge_samples(
    old: Sample,
    new: Sample,
    *,
    tolerances: Mapping[str, float] = TOLERANCES,
    anyway: bool = False,
    policy: Policy = DEFAULT,
) -> Verdict:
    """The verdict on `new` against `old`; refused where their fingerprints differ."""
    shared = [cell for cell in old.cells if cell in new.cells]
    different = tuple(differences(old.fingerprint, new.fingerprint, shared))
    verdict = Verdict(
        old.name,
        new.name,
        faults=tuple(_faults(old, new)),
        differences=different,
        anyway=anyway,
        simulated=old.simulated or new.simulated,
        notes=tuple(_notes(old, new, shared, policy)),
    )
    if verdict.refused:
        return verdict
    usable = [c for c in shared if old.cells[c].repeats and new.cells[c].repeats]
    pairs = {cell: (old.cells[cell], new.cells[cell]) for cell in usable}
    both = [(c, gating) for gating in (True, False) for c in contrasts(pairs, tolerances, gating)]
    hard = [contrast for contrast, gating in both if gating]
    firm = decide(hard, after_stopping(hard, policy))
    loose = decide([contrast for contrast, gating in both if not gating], policy)
    rows = [_comparison(o, True) for o in firm] + [_comparison(o, False) for o in loose]
    rows.sort(key=lambda row: usable.index(row.cell))
    return Verdict(
        old.name,
        new.name,
        tuple(rows),
        verdict.faults,
        different,
        anyway,
        verdict.simulated,
        verdict.notes,
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

    True also for a cell that the baseline doesn't hold: no repeat can help it.
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
    limits = parse_tolerances(tolerance)
    mine = contrasts({cell_id: (baseline.cells[cell_id], now)}, limits, True)
    noise = {
        metric: [
            tuple(logs(metric, cell.metrics[metric]))
            for other, cell in baseline.cells.items()
            if other != cell_id and metric in cell.metrics
        ]
        for metric in {c.metric for c in mine}
    }
    return settled(mine, noise, cells=cells)


def _side(path: Path) -> Sample:
    return sample_of(RunDir.open(path)) if path.is_dir() else read_baseline(path)


def _faults(old: Sample, new: Sample) -> list[CellFault]:
    """Cells on one side only, without a valid repeat, or that the server no longer sustains."""
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
    return found


def _notes(old: Sample, new: Sample, cells: Sequence[str], policy: Policy) -> list[str]:
    notes = []
    for cell in cells:
        for side, measured in ((old.name, old.cells[cell]), (new.name, new.cells[cell])):
            if measured.invalid and measured.repeats:
                notes.append(
                    f"{cell}: {measured.invalid} INVALID repeats of {side} left out: {measured.why}"
                )
    both = [min(old.cells[cell].repeats, new.cells[cell].repeats) for cell in cells]
    if any(0 < repeats < policy.least_repeats for repeats in both):
        notes.append(
            f"low power: fewer than {policy.least_repeats} repeats of some cells, so their "
            "interval rests on the noise of the others; use --llm-repeats 5 on both sides"
        )
    return notes


def _comparison(outcome: Decision, gating: bool) -> Comparison:
    contrast = outcome.contrast
    rate = contrast.metric in RATES
    ends = [outcome.near, outcome.far, outcome.shift, contrast.tolerance]
    low, high, change, limit = (exp(-v if rate else v) - 1 for v in ends)
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
    )
