"""Lets a comparison be looked at as often as wanted, without more false alarms than promised.

The boundary is O'Brien and Fleming's (Biometrics 35, 1979) for continuous looks. Without a change
the score, which is the z statistic times the root of the share of the data that is there, moves
like a Brownian motion. By the reflection principle it exceeds b at any time up to the whole of the
data with probability 2 (1 - Phi(b)), however often one looks. So 2 (1 - Phi(z sqrt(share))) is a
p-value for all looks together; as a spending rule it is the first of Lan and DeMets (Biometrika
70, 1983). The same boundary gives repeated confidence intervals, which cover at all looks together
(Jennison and Turnbull, JRSS B 51, 1989). At the end a p-value is twice that of a single look.
"""

import numpy as np

from llmbench.verdict.gate.statistics import Array

TINY = float(np.finfo(np.float64).tiny)


def p_of_looks(t: Array, freedom: Array, share: float | None) -> Array:
    """One-sided p-values of t statistics, when `share` (0 to 1) of the data is there.

    With a `share` of None this is the only look.
    """
    from scipy.special import ndtr, ndtri_exp, stdtr

    once = np.asarray(stdtr(np.maximum(freedom, 1), -t))
    if share is None:
        return once
    score = ndtri_exp(np.log(np.maximum(once, TINY))) * np.sqrt(share)
    return np.asarray(np.minimum(1.0, 2 * ndtr(score)))


def reach_of_looks(error: float | Array, freedom: Array, share: float | None) -> Array:
    """How many standard errors away the bound with the one-sided `error` is, over all looks."""
    from scipy.special import ndtr, ndtri, stdtrit

    if share is not None:
        error = ndtr(ndtri(np.asarray(error) / 2) / np.sqrt(share))
    return np.asarray(-stdtrit(np.maximum(freedom, 1), np.maximum(error, TINY)))
