"""Chooses physical cores that are close to each other."""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter

from llmbench.servers.placement.topology import PhysicalCore


def threads_of(cores: Iterable[PhysicalCore]) -> int:
    """The number of their threads."""
    return sum(len(core.threads) for core in cores)


def choose_all(
    free: Sequence[PhysicalCore], count: int, instances: int
) -> list[tuple[int, ...]] | None:
    """`count` core numbers for each instance, ascending; None where they don't fit.

    No two instances have a physical core in common.
    """
    instances_on: Counter[int] = Counter()  # by NUMA node
    chosen = []
    for _ in range(instances):
        cores = _close_together(free, count, instances_on)
        if threads_of(cores) < count:
            return None
        chosen.append(tuple(sorted([n for core in cores for n in core.threads][:count])))
        instances_on.update({core.node for core in cores})
        free = [core for core in free if core not in cores]
    return chosen


def equal_share(free: Sequence[PhysicalCore], instances: int) -> int:
    """The cores that each of several instances can have alike, on nodes of its own if they do.

    With fewer instances than nodes each gets several whole nodes.
    """
    sizes = sorted(map(threads_of, _groups(free, "node")), reverse=True)
    if instances < len(sizes):
        nodes_each = len(sizes) // instances
        return sum(sizes[-nodes_each:])
    threads = min((len(core.threads) for core in free), default=1)
    on_node = [instances // len(sizes) + (k < instances % len(sizes)) for k in range(len(sizes))]
    shares = (size // threads // most for size, most in zip(sizes, on_node, strict=True))
    return threads * min(shares)


def _close_together(
    free: Sequence[PhysicalCore], count: int, instances_on: Counter[int]
) -> list[PhysicalCore]:
    """The cores to take `count` threads from: of one node, else of one package, else of any.

    Slower cores come in only where the others are too few. Of several places that have enough, it
    is the first of those with the fewest instances.
    """
    fast = [core for core in free if not core.slow]
    pool = fast if threads_of(fast) >= count else list(free)
    for kind in ("node", "package"):
        places = [group for group in _groups(pool, kind) if threads_of(group) >= count]
        if places:
            pool = min(places, key=lambda cores: sum(instances_on[n] for n in _nodes(cores)))
            break
    roomy = {cores[0].node: threads_of(cores) for cores in _groups(pool, "node")}
    pool.sort(key=lambda core: (core.slow, -roomy[core.node], core.node, core.threads))
    taken: list[PhysicalCore] = []
    for core in pool:
        if threads_of(taken) >= count:
            break
        taken.append(core)
    return taken


def _groups(cores: Iterable[PhysicalCore], kind: str) -> list[list[PhysicalCore]]:
    """The cores of each node or package, by its number."""
    place = attrgetter(kind)
    groups: dict[int, list[PhysicalCore]] = {}
    for core in sorted(cores, key=place):
        groups.setdefault(place(core), []).append(core)
    return list(groups.values())


def _nodes(cores: Iterable[PhysicalCore]) -> set[int]:
    return {core.node for core in cores}
