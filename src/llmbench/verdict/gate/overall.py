"""Adds a figure to the session for each metric: the geometric mean over all cells.

A change that is too small to be seen in any one cell is certain in twelve. The replicate is the
round, that is, the mean over all cells of one repeat; so what the cells of a round share is noise
and not proof.
"""

from collections.abc import Sequence
from math import log1p

import numpy as np
from msgspec import structs

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.decisions import DEFAULT, Decision, Policy, decide
from llmbench.verdict.gate.disturbed import spreads, undisturbed
from llmbench.verdict.gate.stopping import after_stopping

ALL_CELLS = "all cells"


def decide_session(contrasts: Sequence[Contrast], policy: Policy = DEFAULT) -> list[Decision]:
    """The outcome of each contrast, then that of each metric over all cells.

    The session's family error is divided: most of it is for the cells, a part for all together.
    """
    alone, together = policy.part(policy.of_cells), policy.part(policy.of_overall)
    together = structs.replace(together, allowance=log1p(policy.shared_drift))
    rows = overall(contrasts)
    return decide(contrasts, after_stopping(contrasts, alone)) + decide(rows, together)


def overall(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The contrast of each metric over all its cells: the mean of its log values, by round."""
    scales, means = spreads(contrasts), []
    for metric in dict.fromkeys(c.metric for c in contrasts):
        of_metric = [
            (contrast, scale)
            for contrast, scale in zip(contrasts, scales, strict=True)
            if contrast.metric == metric
        ]
        if len(of_metric) > 1:
            old = _rounds([undisturbed(c.old, scale, keep=True) for c, scale in of_metric])
            new = _rounds([undisturbed(c.new, scale, keep=True) for c, scale in of_metric])
            means.append(Contrast(ALL_CELLS, metric, old, new, of_metric[0][0].tolerance))
    return means


def _rounds(cells: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The mean over the cells, for each round that all of them have."""
    return tuple(float(np.mean(values)) for values in zip(*cells, strict=False))
