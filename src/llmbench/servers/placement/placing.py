"""Decides which cores the server gets and which are left to the load generator.

This is a pure function over a topology, so that a test can hold it against any host. A core is
what the kernel counts, a vCPU in a cloud. The rules, first things first:

1. The load generator gets no core of the server's, and no SMT sibling of one.
2. A server's cores come from as few NUMA nodes as can be, and else from as few sockets.
3. They are whole physical cores, of which the last may stay half used; without SMT one thread of
   each. On a hybrid processor they are performance cores if there are enough.
4. Several instances are spread over the nodes, and have no physical core in common.

Where there are too few cores for the first rule, `Placement.note` says what the client shares.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from llmbench.config import ConfigError
from llmbench.servers.placement.choosing import choose_all, equal_share, threads_of
from llmbench.servers.placement.demand import Demand
from llmbench.servers.placement.sysfs import usable_topology
from llmbench.servers.placement.topology import PhysicalCore, Topology, flat


class Placement(Struct, frozen=True):
    """The server's core numbers, and the client's with the best ones first.

    `note` says how the server slows the client down. `memory_nodes` are the NUMA nodes that the
    server's memory shall come from; empty: any.
    """

    server: tuple[int, ...]
    client: tuple[int, ...]
    note: str | None = None
    memory_nodes: tuple[int, ...] = ()
    elsewhere: bool = False  # the server's numbers are those of another host

    @property
    def apart(self) -> bool:
        """Whether client and server have no core in common."""
        return self.elsewhere or not set(self.server) & set(self.client)


def place(cores: float | None, topology: Topology | None = None, *, workers: int = 1) -> Placement:
    """The placement of one server that asks for `cores` and nothing else; None: on this host."""
    return placements(Demand(cores), topology, workers=workers)[0]


def placements(
    demand: Demand, topology: Topology | None = None, *, workers: int = 1
) -> tuple[Placement, ...]:
    """A placement for each instance; the client's part is the same in all of them.

    A server without a limit gets all but one physical core for each worker. Where it takes all,
    the client shares the last one with it, and the note says so; it also says when workers share
    a core. `ConfigError` for several instances that don't fit.
    """
    host = usable_topology() if topology is None else topology
    if demand.cores == 0:
        everything = _best_first(host.cores, ())
        return (Placement((), everything, _crowded(workers, everything)),) * demand.instances
    servers = _servers(host, demand, workers)
    if servers is None:
        raise ConfigError(too_few(demand, host))
    client, note = _client(host, {number for server in servers for number in server})
    notes = "; ".join(filter(None, (note, _crowded(workers, client)))) or None
    return tuple(Placement(s, client, notes, _memory_nodes(host, s, demand)) for s in servers)


def placements_elsewhere(demand: Demand, there: int, *, workers: int = 1) -> tuple[Placement, ...]:
    """The same for a server on another host, of which only the number of cores is known.

    All cores here are the client's. A server without a limit has all cores there, unpinned.
    """
    (client, *_) = placements(Demand(0.0), workers=workers)
    if demand.cores is None and demand.instances == 1:
        return (structs.replace(client, elsewhere=True),)
    servers = placements(structs.replace(demand, smt=True), flat(range(there)), workers=0)
    return tuple(structs.replace(client, server=s.server, elsewhere=True) for s in servers)


def too_few(
    demand: Demand, topology: Topology | None = None, whose: str = "this host"
) -> str | None:
    """Why a host can't give what is asked for, to follow "skipped: "; None where it can."""
    host = usable_topology() if topology is None else topology
    if demand.numa_node is not None and demand.numa_node not in host.nodes:
        nodes = ", ".join(map(str, host.nodes))
        return f"server.numa_node is {demand.numa_node}, {whose} has only {nodes}"
    offered = _offered(host, demand)
    wanted = demand.count or 1
    if threads_of(offered) >= wanted and choose_all(offered, wanted, demand.instances):
        return None
    times = "" if demand.instances == 1 else f"{demand.instances} x "
    plain = "" if demand.smt else " without SMT siblings"
    whose = whose if demand.numa_node is None else f"NUMA node {demand.numa_node}"
    cores = f"{demand.cores or 1:g} core{'s' * (demand.cores != 1)}"
    return f"needs {times}{cores}{plain}, {whose} has {threads_of(offered)}"


def _offered(host: Topology, demand: Demand) -> list[PhysicalCore]:
    """What servers may have of each physical core."""
    cores = [core for core in host.cores if demand.numa_node in (None, core.node)]
    if demand.smt:
        return cores
    return [structs.replace(core, threads=core.threads[:1]) for core in cores]


def _servers(host: Topology, demand: Demand, workers: int) -> list[tuple[int, ...]] | None:
    """The cores of each instance; None where several don't fit."""
    offered, count = _offered(host, demand), demand.count
    if count is None:
        offered = _less_the_clients(offered, len(host.cores), demand.instances, workers)
        several = demand.instances > 1
        count = equal_share(offered, demand.instances) if several else threads_of(offered)
        if len(host.cores) == 1 < count:
            count -= 1  # the client has the other thread
    elif demand.instances == 1:
        count = min(count, threads_of(offered))
    return choose_all(offered, count, demand.instances) if count else None


def _less_the_clients(
    offered: list[PhysicalCore], on_host: int, instances: int, workers: int
) -> list[PhysicalCore]:
    """What a server without a limit may have: all but a core for each worker, but at least one.

    The client's are the slower ones, else the last ones.
    """
    elsewhere = on_host - len(offered)
    spare = max(0, min(workers - elsewhere, len(offered) - instances))
    by_speed = sorted(offered, key=lambda core: (core.slow, core.threads))
    return by_speed[: len(offered) - spare]


def _client(host: Topology, taken: set[int]) -> tuple[tuple[int, ...], str | None]:
    """The client's cores, and what it shares with the server where it must."""
    nodes = {cpu.node for cpu in host.cpus if cpu.number in taken}
    untouched = [core for core in host.cores if not taken & set(core.threads)]
    if untouched:
        return _best_first(untouched, nodes), None
    siblings = tuple(number for number in host.numbers if number not in taken)
    if siblings:
        return siblings, (
            f"no physical core is left for the load generator: it runs on core {siblings[0]}, an "
            "SMT sibling of a core of the server, so client and server slow each other down"
        )
    last, count = host.numbers[-1], len(host.numbers)
    return (last,), (
        f"the server has all {count} usable core{'s' * (count > 1)}: the load generator shares "
        f"core {last} with it, so client and server slow each other down"
    )


def _best_first(cores: Iterable[PhysicalCore], server_nodes: Iterable[int]) -> tuple[int, ...]:
    """The threads of `cores`: those of different cores first, apart from the server's nodes."""
    nodes = set(server_nodes)
    ordered = sorted(cores, key=lambda core: (core.slow, core.node in nodes, core.threads))
    most = max((len(core.threads) for core in ordered), default=0)
    return tuple(n for k in range(most) for core in ordered for n in core.threads[k : k + 1])


def _crowded(workers: int, client: Sequence[int]) -> str | None:
    """A note that the load generating processes have no core each."""
    if workers <= len(client):
        return None
    return (
        f"{workers} load generating processes share {len(client)} "
        f"core{'s' * (len(client) > 1)}: more than {len(client)} can't carry more load here"
    )


def _memory_nodes(host: Topology, server: Iterable[int], demand: Demand) -> tuple[int, ...]:
    """The nodes of a server's cores, unless they are all that there are or too small for it."""
    numbers = set(server)
    nodes = tuple(sorted({cpu.node for cpu in host.cpus if cpu.number in numbers}))
    sizes = [host.node_memory_bytes.get(node) for node in nodes]
    known = sum(size for size in sizes if size is not None) if None not in sizes else None
    is_small = known is not None and (demand.memory_bytes or 0) > known
    return () if is_small or nodes == host.nodes else nodes
