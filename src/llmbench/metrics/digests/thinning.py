"""Values of one quantity, all or evenly chosen ones, and how several such sets are pooled."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


class Values(Struct, frozen=True):
    """Of `n` values either all, in the order of the requests, or evenly chosen ones, sorted."""

    n: int
    kept: tuple[float, ...]


def even_ranks(n: int, most: int) -> NDArray[np.int64]:
    """All of the ranks 1 … `n`, or `most` of them at even distances, both ends included.

    ``even_ranks(n, 101)`` is a part of ``even_ranks(n, 1001)``: what was thinned may be thinned
    again to a divisor of its steps, and is then what it would have been at once.
    """
    points = min(n, most)
    if points < 2:
        return np.arange(1, points + 1)
    return np.rint(1 + np.arange(points) * (n - 1) / (points - 1)).astype(np.int64)


def thinned(values: NDArray[np.float64], most: int) -> Values:
    """`values`, none of them NaN, as they are, or `most` order statistics of them."""
    n = len(values)
    kept = values if n <= most else np.sort(values)[even_ranks(n, most) - 1]
    return Values(n, tuple(kept.tolist()))


def pooled(parts: Sequence[Values], most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At most `most` ranks of all values of `parts` (one or more) together, and the value at each.

    Exact where every part holds all its values, and for one part (see `even_ranks`). A value of
    a thinned part stands for those between the kept one below and itself, so that a pooled value
    is too high by one step of that part at most.
    """
    values = np.concatenate([np.array(part.kept) for part in parts])
    weights = [np.diff(even_ranks(part.n, len(part.kept)), prepend=0) for part in parts]
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(np.concatenate(weights)[order])
    ranks = even_ranks(sum(part.n for part in parts), most)
    return ranks, values[order][np.searchsorted(reached, ranks)]
