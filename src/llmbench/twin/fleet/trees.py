"""The least of many numbers: a tree of a fixed number of leaves, and a heap of turns to come."""

from llmbench.twin.fleet.compiled import compiled
from llmbench.twin.fleet.fleet_state import Floats, Longs, SoonRow


@compiled
def set_leaf(tree: Floats | Longs, leaf: int, value: float) -> None:
    """Change a leaf of a tree whose places hold the lesser of the two below; the least is at 1."""
    place = len(tree) // 2 + leaf
    tree[place] = value
    place //= 2
    while place:
        tree[place] = min(tree[2 * place], tree[2 * place + 1])
        place //= 2


@compiled
def least_leaf(tree: Floats | Longs) -> int:
    """The first of the leaves with the least value."""
    place, leaves = 1, len(tree) // 2
    while place < leaves:
        place *= 2
        if tree[place + 1] < tree[place]:
            place += 1
    return place - leaves


@compiled
def push(soon: list[SoonRow], size: int, at: float, request: int) -> None:
    """Add a turn to a heap of `size` turns; of those at one moment the first row comes first."""
    place = size
    while place and _is_later(soon[(place - 1) // 2], at, request):
        _copy(soon, (place - 1) // 2, place)
        place = (place - 1) // 2
    soon[place].at = at
    soon[place].request = request


@compiled
def pop(soon: list[SoonRow], size: int) -> int:
    """Take the first turn from a heap of `size` turns."""
    first = soon[0].request
    at, request = soon[size - 1].at, soon[size - 1].request
    place, below = 0, 1
    while below < size - 1:
        right = soon[below + 1]
        if below + 1 < size - 1 and _is_later(soon[below], right.at, right.request):
            below += 1
        if _is_later(soon[below], at, request):
            break
        _copy(soon, below, place)
        place, below = below, 2 * below + 1
    soon[place].at = at
    soon[place].request = request
    return first


@compiled
def _is_later(row: SoonRow, at: float, request: int) -> bool:
    return row.at > at or (row.at == at and row.request > request)


@compiled
def _copy(soon: list[SoonRow], place: int, to: int) -> None:
    soon[to].at = soon[place].at
    soon[to].request = soon[place].request
