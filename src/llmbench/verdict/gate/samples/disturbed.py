"""Finds repeats that something else on the host slowed; a robust spread separates them from noise.

One repeat in which a neighbour took the cores is 10 to 30 % slower. It hardly moves the median
shift, but the standard deviation doubles and hides what changed.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from statistics import median

from msgspec import structs

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
    ordered = sorted(abs(a - b) for a, b in combinations(values, 2))
    factor = _SMALL_SAMPLES.get(count, count / (count + (1.4 if count % 2 else 3.8)))
    return float(factor * 2.2219 * ordered[half * (half - 1) // 2 - 1])


def calm(contrasts: Sequence[Contrast], *, keep: bool = False) -> list[Contrast]:
    """The contrasts without the repeats that were disturbed within their launch.

    With `keep` the median of the launch stands in their place.
    """
    return [_calm(c, scale, keep) for c, scale in zip(contrasts, spreads(contrasts), strict=True)]


def _calm(contrast: Contrast, spread: float, keep: bool) -> Contrast:
    sides = [
        {launch: undisturbed(group, spread, keep=keep) for launch, group in groups.items()}
        for groups in contrast.groups
    ]
    old, new = (tuple(v for group in side.values() for v in group) for side in sides)
    launches = [tuple(n for n, group in side.items() for _ in group) for side in sides]
    return structs.replace(
        contrast, old=old, new=new, old_launches=launches[0], new_launches=launches[1]
    )


def spreads(contrasts: Sequence[Contrast]) -> list[float]:
    """The robust spread of a repeat of each contrast: its metric's, or its own where that is
    much larger in all launches. Few launches know it badly, so theirs is taken to be wider."""
    own = {
        id(c): [robust_spread(g) for side in c.groups for g in side.values() if len(g) > 1]
        for c in contrasts
    }
    common: dict[str, list[float]] = defaultdict(list)
    for contrast in contrasts:
        common[contrast.metric] += own[id(contrast)]
    usual = {metric: _usual(sides) for metric, sides in common.items()}
    return [_spread(own[id(c)], usual[c.metric]) for c in contrasts]


def _usual(sides: Sequence[float]) -> float:
    return median(sides) * (1 + 1 / len(sides)) if sides else 0.0


def _spread(sides: Sequence[float], usual: float) -> float:
    least = min(sides, default=0.0)
    return max(least if least > UNEQUAL * usual else usual, FLOOR)


def undisturbed(values: Sequence[float], spread: float, *, keep: bool = False) -> tuple[float, ...]:
    """`values` without the disturbed ones, fewer than half; with `keep` the median in their place.

    Larger values are worse; a repeat that is faster than the others was disturbed by nobody.
    """
    if len(values) < LEAST:
        return tuple(values)
    centre = median(values)
    slowest = sorted(range(len(values)), key=lambda k: -values[k])[: (len(values) - 1) // 2]
    disturbed = {k for k in slowest if values[k] - centre > CUT * spread}
    if keep:
        return tuple(centre if k in disturbed else v for k, v in enumerate(values))
    return tuple(v for k, v in enumerate(values) if k not in disturbed)
