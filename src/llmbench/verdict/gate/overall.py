"""Adds a figure to the session for each metric: the geometric mean over all cells.

A change that is too small to be seen in any one cell is certain in twelve. The replicate is the
round, that is, the mean over all cells of one repeat, and above it the launch; so what the cells
of a round or of a launch share is noise and not proof.
"""

from collections.abc import Mapping, Sequence
from math import log1p
from statistics import fmean

from msgspec import structs

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.decisions import DEFAULT, Decision, Policy, decide
from llmbench.verdict.gate.launches import several
from llmbench.verdict.gate.samples.disturbed import calm
from llmbench.verdict.gate.stopping import after_stopping

ALL_CELLS = "all cells"


def decide_session(contrasts: Sequence[Contrast], policy: Policy = DEFAULT) -> list[Decision]:
    """The outcome of each contrast, then that of each metric over all cells.

    The session's family error is divided: most of it is for the cells, a part for all together.
    """
    parts = policy.of_cells, policy.of_overall
    if policy.launch_allowance or any(any(several(contrast)) for contrast in contrasts):
        parts = policy.of_cells_launched, policy.of_overall_launched
    alone, together = map(policy.part, parts)
    together = structs.replace(together, allowance=log1p(policy.shared_drift))
    rows = overall(contrasts)
    return decide(contrasts, after_stopping(contrasts, alone)) + decide(rows, together)


def overall(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The contrast of each metric over all its cells: the mean of its log values, by round."""
    by_metric: dict[str, list[Contrast]] = {}
    for contrast in calm(contrasts, keep=True):
        by_metric.setdefault(contrast.metric, []).append(contrast)
    return [_mean(cells) for cells in by_metric.values() if len(cells) > 1]


def _mean(cells: Sequence[Contrast]) -> Contrast:
    old, new = zip(*(cell.groups for cell in cells), strict=True)
    (old_means, old_launches), (new_means, new_launches) = _rounds(old), _rounds(new)
    return structs.replace(
        cells[0],
        cell=ALL_CELLS,
        old=old_means,
        new=new_means,
        old_launches=old_launches,
        new_launches=new_launches,
        server="",
    )


def _rounds(
    cells: Sequence[Mapping[int, Sequence[float]]],
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The mean over the cells, for each round of each launch that all of them have.

    Launches are paired by their order: those of several servers have nothing in common but that.
    """
    means, launches = [], []
    for number, groups in enumerate(zip(*(cell.values() for cell in cells), strict=False)):
        for values in zip(*groups, strict=False):
            means.append(fmean(values))
            launches.append(number)
    return tuple(means), tuple(launches)
