"""All cells together: their geometric mean, for each metric, as one more figure of the session.

A change too small to be told in any one cell is certain in twelve. The replicate is the round: the
mean over all cells of one repeat, so that what the cells of a round share is noise and not proof.
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

    The session's family error is divided: most is for the cells, a part for the rows over all.
    """
    alone, together = policy.part(policy.of_cells), policy.part(policy.of_overall)
    together = structs.replace(together, allowance=log1p(policy.shared_drift))
    rows = overall(contrasts)
    return decide(contrasts, after_stopping(contrasts, alone)) + decide(rows, together)


def overall(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """For each metric of several cells the mean of its log values, round by round."""
    scales, found = spreads(contrasts), []
    for metric in dict.fromkeys(c.metric for c in contrasts):
        mine = [
            (contrast, scale)
            for contrast, scale in zip(contrasts, scales, strict=True)
            if contrast.metric == metric
        ]
        if len(mine) > 1:
            old = _rounds([undisturbed(c.old, scale, keep=True) for c, scale in mine])
            new = _rounds([undisturbed(c.new, scale, keep=True) for c, scale in mine])
            found.append(Contrast(ALL_CELLS, metric, old, new, mine[0][0].tolerance))
    return found


def _rounds(cells: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The mean over the cells of each round that all of them have."""
    return tuple(float(np.mean(values)) for values in zip(*cells, strict=False))
