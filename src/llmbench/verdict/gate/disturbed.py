"""Finds repeats that something else on the host slowed; a robust spread separates them from noise.

One repeat in which a neighbour took the cores is 10 to 30 % slower. It hardly moves the median
shift, but the standard deviation doubles and hides what changed.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from llmbench.verdict.gate.contrasts import Contrast

CUT = 4.0
"""A repeat this many spreads slower than its side's median was disturbed."""

LEAST = 5
"""With fewer repeats none is set aside, as three of four can't show which one is odd."""

FLOOR = 0.005
"""No spread counts as less: a repeat that is 2 % slower than very quiet ones hides nothing."""

UNEQUAL = 2.0
"""A side this much wider than is usual for the metric has its own spread and isn't disturbed."""

_SMALL_SAMPLES = {2: 0.399, 3: 0.994, 4: 0.512, 5: 0.844, 6: 0.611, 7: 0.857, 8: 0.669, 9: 0.872}


def robust_spread(values: Sequence[float]) -> float:
    """Qn, a standard deviation that even half of the values can't move.

    The k-th smallest of all distances between two values, k = C(n / 2 + 1, 2), made consistent
    for normal noise and small n. Source: Rousseeuw and Croux (1993), J. Am. Stat. Assoc. 88;
    Croux and Rousseeuw (1992) for the factors of small samples.
    """
    count = len(values)
    half = count // 2 + 1
    distances = np.abs(np.subtract.outer(values, values)[np.triu_indices(count, 1)])
    ordered = np.sort(distances)
    factor = _SMALL_SAMPLES.get(count, count / (count + (1.4 if count % 2 else 3.8)))
    return float(factor * 2.2219 * ordered[half * (half - 1) // 2 - 1])


def spreads(contrasts: Sequence[Contrast]) -> list[float]:
    """The robust spread of a repeat of each contrast: its metric's, or its own where that is
    much larger on both sides. Few sides know it badly, so theirs is taken to be wider."""
    own = {
        id(c): [robust_spread(side) for side in (c.old, c.new) if len(side) > 1] for c in contrasts
    }
    common: dict[str, list[float]] = defaultdict(list)
    for contrast in contrasts:
        common[contrast.metric] += own[id(contrast)]
    usual = {metric: _usual(sides) for metric, sides in common.items()}
    return [_spread(own[id(c)], usual[c.metric]) for c in contrasts]


def _usual(sides: Sequence[float]) -> float:
    return float(np.median(sides)) * (1 + 1 / len(sides)) if sides else 0.0


def _spread(sides: Sequence[float], usual: float) -> float:
    least = min(sides, default=0.0)
    return max(least if least > UNEQUAL * usual else usual, FLOOR)


def undisturbed(values: Sequence[float], spread: float, *, keep: bool = False) -> tuple[float, ...]:
    """`values` without the disturbed ones, fewer than half; with `keep` the median in their place.

    Larger values are worse; a repeat that is faster than the others was disturbed by nobody.
    """
    if len(values) < LEAST:
        return tuple(values)
    centre = float(np.median(values))
    slowest = sorted(range(len(values)), key=lambda k: -values[k])[: (len(values) - 1) // 2]
    disturbed = {k for k in slowest if values[k] - centre > CUT * spread}
    if keep:
        return tuple(centre if k in disturbed else v for k, v in enumerate(values))
    return tuple(v for k, v in enumerate(values) if k not in disturbed)
