"""The regression gate: compares two measured runs and gives a verdict for each cell and metric."""

from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import Literal

from msgspec import structs

from llmbench.results import CellResult
from llmbench.store import RunDir, run_at
from llmbench.verdict.gate.contrasts import contrasts, repeats_by_launch
from llmbench.verdict.gate.counts import CountDecision, decide_counts
from llmbench.verdict.gate.decisions import DEFAULT, Decision, Policy, decide
from llmbench.verdict.gate.launches import count_launches
from llmbench.verdict.gate.overall import ALL_CELLS, decide_session
from llmbench.verdict.gate.remarks import common, disturbed, faults, notes
from llmbench.verdict.gate.samples.baselines import (
    CellSample,
    Sample,
    load_baseline,
    read_baseline,
    sample_of,
)
from llmbench.verdict.gate.samples.compared_figures import (
    ADVISORY,
    compared,
    compared_class,
    part_name,
)
from llmbench.verdict.gate.samples.fingerprints import fingerprint_differences
from llmbench.verdict.gate.stopping import settled
from llmbench.verdict.gate.tolerances import (
    RATES,
    TOLERANCES,
    UNITS,
    parse_allowance,
    parse_tolerances,
)
from llmbench.verdict.gate.verdicts import Comparison, Verdict

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
    launch_allowance: str | None = None,
) -> Verdict:
    """Compare a run with the baseline `name` of `folder`."""
    baseline, policy = load_baseline(folder, name), policy_of(host_allowance, launch_allowance)
    return compare_samples(baseline, sample_of(run), tolerance, anyway, inconclusive, policy)


def compare(
    old: Path,
    new: Path,
    *,
    tolerance: str | None = None,
    anyway: bool = False,
    inconclusive: Inconclusive = "pass",
    host_allowance: str | None = None,
    launch_allowance: str | None = None,
) -> Verdict:
    """Compare a run (a directory) with another one, or with a baseline (a file), from files."""
    policy = policy_of(host_allowance, launch_allowance)
    return compare_samples(sample_at(old), sample_at(new), tolerance, anyway, inconclusive, policy)


def compare_samples(
    old: Sample,
    new: Sample,
    tolerance: str | None,
    anyway: bool,
    inconclusive: Inconclusive,
    policy: Policy,
) -> Verdict:
    """The verdict, with the tolerances still as the user wrote them."""
    return judge_samples(
        old,
        new,
        tolerances=parse_tolerances(tolerance),
        anyway=anyway,
        inconclusive=inconclusive,
        policy=policy,
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
    different = fingerprint_differences(old.fingerprint, new.fingerprint, shared)
    verdict = Verdict(
        old.name,
        new.name,
        faults=tuple(faults(old, new)),
        differences=different.refused,
        anyway=anyway,
        simulated=old.simulated or new.simulated,
        notes=tuple(notes(old, new, shared, policy)),
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
        notes=(*verdict.notes, *common(rows, policy), *disturbed(firm, old, new)),
    )


def decided(
    folder: Path,
    name: str,
    results: Sequence[CellResult],
    *,
    cells: int,
    tolerance: str | None = None,
    launch_allowance: str | None = None,
) -> bool:
    """Whether the repeats of one cell so far settle its verdict against a baseline.

    This is also true for a cell that the baseline doesn't have, as no repeat can help it.
    """
    baseline = load_baseline(folder, name)
    cell_id = results[-1].summary.cell_id if results else ""
    if cell_id not in baseline.cells:
        return bool(results)
    good = [r.summary for r in results if r.valid]
    if not good:
        return False
    now = {cell_id: _so_far([compared(summary) for summary in good])}
    for one in good[0].classes:
        figures = [compared_class(summary, one.name) for summary in good]
        now[part_name(cell_id, one.name)] = _so_far(figures)
    both = {n: (baseline.cells[n], part) for n, part in now.items() if n in baseline.cells}
    own = contrasts(both, parse_tolerances(tolerance), True)
    others = [cell for other, cell in baseline.cells.items() if other not in now]
    noise = {
        metric: [group for cell in others for group in repeats_by_launch(cell, metric)]
        for metric in {c.metric for c in own}
    }
    return settled(own, noise, cells=cells, policy=policy_of(None, launch_allowance))


def _so_far(repeats: Sequence[Mapping[str, float | None]]) -> CellSample:
    """The repeats of a cell that have been measured by now."""
    names = dict.fromkeys(name for measured in repeats for name in measured)
    metrics = {name: [measured.get(name) for measured in repeats] for name in names}
    return CellSample(metrics, 0, len(repeats), advisory=[*ADVISORY])


def policy_of(host_allowance: str | None, launch_allowance: str | None = None) -> Policy:
    """The gate's usual policy, with other allowances for host and launches if they are given."""
    policy = DEFAULT
    if host_allowance is not None:
        policy = structs.replace(policy, shared_drift=parse_allowance(host_allowance))
    if launch_allowance is not None:
        allowance = parse_allowance(launch_allowance, "--llm-launch-allowance")
        policy = structs.replace(policy, launch_allowance=allowance)
    return policy


def sample_at(path: Path) -> Sample:
    """A run (a directory), or a baseline (a file), as the gate compares it."""
    return sample_of(RunDir.open(path)) if run_at(path).is_dir() else read_baseline(path)


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
        launches=count_launches(contrast),
        more_repeats=outcome.more_repeats,
        more_launches=outcome.more_launches,
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
