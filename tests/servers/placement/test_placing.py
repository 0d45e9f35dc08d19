"""Who gets which cores, held against hosts of every kind.

The recorded hosts are in `hosts.py`. What each test expects was worked out by hand.
"""

import os

import pytest

from llmbench.config import ConfigError
from llmbench.process import pin
from llmbench.servers.placement.demand import Demand
from llmbench.servers.placement.placing import (
    Placement,
    place,
    placements,
    placements_elsewhere,
    too_few,
)
from llmbench.servers.placement.sysfs import usable_cores
from llmbench.servers.placement.topology import flat, format_cpuset, parse_cpuset
from tests.servers.placement.hosts import (
    ADJACENT_SIBLINGS,
    EPYC_NPS4,
    HYBRID,
    NO_SMT,
    SAPPHIRE_RAPIDS_SNC4,
    TWO_SOCKETS,
    RecordedHost,
)


def test_server_gets_the_first_cores_and_the_client_the_others() -> None:
    assert place(2, flat((0, 1, 2, 3))) == Placement((0, 1), (2, 3))


def test_without_a_wish_the_client_keeps_one_core() -> None:
    assert place(None, flat((4, 5, 6))) == Placement((4, 5), (6,))


def test_a_fraction_takes_a_whole_core() -> None:
    assert place(0.5, flat((0, 1))) == Placement((0,), (1,))


def test_sharing_a_core_is_said() -> None:
    split = place(2, flat((0, 1)))
    assert split.server == (0, 1)
    assert split.client == (1,)
    assert not split.apart
    assert split.note == (
        "the server has all 2 usable cores: the load generator shares core 1 with it, "
        "so client and server slow each other down"
    )


def test_a_server_without_a_limit_leaves_a_core_to_each_worker() -> None:
    split = place(None, flat(tuple(range(8))), workers=3)
    assert (split.server, split.client, split.note) == ((0, 1, 2, 3, 4), (5, 6, 7), None)


def test_a_server_elsewhere_takes_no_core() -> None:
    assert place(0, flat((0, 1, 2, 3)), workers=2) == Placement((), (0, 1, 2, 3))


def test_a_server_keeps_the_cores_that_it_was_given() -> None:
    assert place(2, flat((0, 1, 2, 3)), workers=3) == Placement(
        (0, 1),
        (2, 3),
        "3 load generating processes share 2 cores: more than 2 can't carry more load here",
    )


def test_workers_leave_a_core_to_the_server() -> None:
    split = place(None, flat((0, 1)), workers=4)
    assert (split.server, split.client, split.apart) == ((0,), (1,), True)
    assert split.note is not None and split.note.startswith("4 load generating processes share 1")


def test_one_core_is_shared() -> None:
    split = place(None, flat((0,)))
    assert (split.server, split.client) == ((0,), (0,))
    assert split.note is not None


def test_pin_keeps_to_the_cores() -> None:
    before = usable_cores()
    try:
        pin(before[:1])
        assert usable_cores() == before[:1]
    finally:
        os.sched_setaffinity(0, before)


def placed(host: RecordedHost, demand: Demand, workers: int = 1) -> tuple[list[str], str]:
    """The cores of each instance, and those of the client, as the kernel writes them."""
    parts = placements(demand, host.topology, workers=workers)
    assert len({part.client for part in parts}) == 1
    return [format_cpuset(part.server) for part in parts], format_cpuset(parts[0].client)


def one(host: RecordedHost, demand: Demand, workers: int = 1) -> tuple[str, str, tuple[int, ...]]:
    """The cores of one server, those of the client, and the nodes of the server's memory."""
    (part,) = placements(demand, host.topology, workers=workers)
    return format_cpuset(part.server), format_cpuset(part.client), part.memory_nodes


@pytest.mark.parametrize(
    ("host", "demand", "server", "client", "nodes"),
    [
        pytest.param(
            TWO_SOCKETS, Demand(8), "0-3,40-43", "4-39,44-79", (0,), id="two sockets, part of one"
        ),
        pytest.param(
            TWO_SOCKETS,
            Demand(8, smt=False),
            "0-7",
            "8-39,48-79",
            (0,),
            id="two sockets, a thread of each core",
        ),
        pytest.param(
            TWO_SOCKETS,
            Demand(40, numa_node=1),
            "20-39,60-79",
            "0-19,40-59",
            (1,),
            id="two sockets, the second",
        ),
        pytest.param(
            TWO_SOCKETS, Demand(7), "0-3,40-42", "4-39,44-79", (0,), id="two sockets, an odd number"
        ),
        pytest.param(
            TWO_SOCKETS, Demand(None), "0-38,40-78", "39,79", (), id="two sockets, no limit"
        ),
        pytest.param(
            EPYC_NPS4, Demand(32), "0-15,128-143", "16-127,144-255", (0,), id="EPYC, one node"
        ),
        pytest.param(
            EPYC_NPS4,
            Demand(48),
            "0-23,128-151",
            "24-127,152-255",
            (0, 1),
            id="EPYC, two nodes of one socket",
        ),
        pytest.param(
            EPYC_NPS4,
            Demand(160),
            "0-79,128-207",
            "80-127,208-255",
            (0, 1, 2, 3, 4),
            id="EPYC, beyond a socket",
        ),
        pytest.param(
            SAPPHIRE_RAPIDS_SNC4,
            Demand(14, smt=False, numa_node=5),
            "70-83",
            "0-69,84-181,196-223",
            (5,),
            id="Sapphire Rapids, one cluster of the second socket",
        ),
        pytest.param(
            SAPPHIRE_RAPIDS_SNC4,
            Demand(56, smt=False),
            "0-55",
            "56-111,168-223",
            (0, 1, 2, 3),
            id="Sapphire Rapids, a socket",
        ),
        pytest.param(ADJACENT_SIBLINGS, Demand(2), "0-1", "2-7", (), id="adjacent, a core"),
        pytest.param(
            ADJACENT_SIBLINGS, Demand(2, smt=False), "0,2", "4-7", (), id="adjacent, of two cores"
        ),
        pytest.param(ADJACENT_SIBLINGS, Demand(1), "0", "2-7", (), id="adjacent, half a core"),
        pytest.param(ADJACENT_SIBLINGS, Demand(None), "0-5", "6-7", (), id="adjacent, no limit"),
        pytest.param(NO_SMT, Demand(16), "0-15", "16-63", (), id="no SMT"),
        pytest.param(NO_SMT, Demand(None), "0-62", "63", (), id="no SMT, no limit"),
        pytest.param(HYBRID, Demand(8, smt=False), "0,2,4,6,8,10,12,14", "16-23", (), id="hybrid"),
        pytest.param(HYBRID, Demand(8), "0-7", "8-23", (), id="hybrid, with SMT"),
        pytest.param(HYBRID, Demand(20), "0-19", "20-23", (), id="hybrid, slower ones too"),
        pytest.param(HYBRID, Demand(None), "0-22", "23", (), id="hybrid, no limit"),
    ],
)
def test_recorded_hosts(
    host: RecordedHost, demand: Demand, server: str, client: str, nodes: tuple[int, ...]
) -> None:
    assert one(host, demand) == (server, client, nodes)


@pytest.mark.parametrize("host", RecordedHost.all(), ids=lambda host: host.name)
@pytest.mark.parametrize("smt", [True, False], ids=["SMT", "one thread"])
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_the_client_never_gets_a_sibling_of_the_server_s(
    host: RecordedHost, smt: bool, cores: int
) -> None:
    (part,) = placements(Demand(cores, smt=smt), host.topology)
    core_of = {cpu.number: cpu.core for cpu in host.topology.cpus}
    assert not {core_of[n] for n in part.server} & {core_of[n] for n in part.client}
    assert len(part.server) == cores
    assert part.note is None


def test_the_client_s_workers_get_a_physical_core_each() -> None:
    (part,) = placements(Demand(None), TWO_SOCKETS.topology, workers=3)
    assert part.client == (37, 38, 39, 77, 78, 79)  # workers take them in this order
    assert format_cpuset(part.server) == "0-36,40-76"


def test_the_client_s_best_cores_are_on_another_node() -> None:
    (part,) = placements(Demand(8), TWO_SOCKETS.topology)
    assert part.client[:2] == (20, 21)


def test_a_node_too_small_for_the_memory_is_not_bound() -> None:
    large = Demand(8, memory_bytes=TWO_SOCKETS.node_memory_bytes + 1)
    assert one(TWO_SOCKETS, large) == ("0-3,40-43", "4-39,44-79", ())


def test_a_host_of_one_physical_core_shares_it_and_says_so() -> None:
    vm = ADJACENT_SIBLINGS.topology.only((0, 1))
    note = (
        "no physical core is left for the load generator: it runs on core 1, an SMT sibling of a "
        "core of the server, so client and server slow each other down"
    )
    for demand in (Demand(1), Demand(None)):
        assert placements(demand, vm) == (Placement((0,), (1,), note),)


@pytest.mark.parametrize(
    ("host", "demand", "servers", "client"),
    [
        pytest.param(
            TWO_SOCKETS,
            Demand(8, instances=2),
            ["0-3,40-43", "20-23,60-63"],
            "4-19,24-39,44-59,64-79",
            id="a socket each",
        ),
        pytest.param(
            EPYC_NPS4,
            Demand(32, smt=True, instances=3),
            ["0-15,128-143", "16-31,144-159", "32-47,160-175"],
            "48-127,176-255",
            id="a node each",
        ),
        pytest.param(
            EPYC_NPS4,
            Demand(60, smt=False, instances=2),
            ["0-59", "64-123"],
            "60-63,124-127,188-191,252-255",
            id="most of a socket each",
        ),
        pytest.param(
            SAPPHIRE_RAPIDS_SNC4,
            Demand(None, smt=False, instances=8),
            ["0-12", "14-26", "28-40", "42-54", "56-68", "70-82", "84-96", "98-110"],
            "13,27,41,55,69,83,97,111,125,139,153,167,181,195,209,223",
            id="no limit, alike on each node",
        ),
        pytest.param(
            NO_SMT,
            Demand(None, instances=4),
            ["0-14", "15-29", "30-44", "45-59"],
            "60-63",
            id="one node",
        ),
        pytest.param(
            ADJACENT_SIBLINGS,
            Demand(1, instances=3),
            ["0", "2", "4"],
            "6-7",
            id="a core each",
        ),
    ],
)
def test_instances(host: RecordedHost, demand: Demand, servers: list[str], client: str) -> None:
    assert placed(host, demand) == (servers, client)


@pytest.mark.parametrize(
    ("demand", "why"),
    [
        (Demand(81), "needs 81 cores, this host has 80"),
        (Demand(41, smt=False), "needs 41 cores without SMT siblings, this host has 40"),
        (Demand(41, numa_node=1), "needs 41 cores, NUMA node 1 has 40"),
        (Demand(2, numa_node=2), "server.numa_node is 2, this host has only 0, 1"),
        (Demand(27, instances=3), "needs 3 x 27 cores, this host has 80"),
    ],
)
def test_what_a_host_can_t_give(demand: Demand, why: str) -> None:
    assert too_few(demand, TWO_SOCKETS.topology) == why


def test_instances_that_don_t_fit_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"^needs 3 x 27 cores, this host has 80$"):
        placements(Demand(27, instances=3), TWO_SOCKETS.topology)


def test_what_fits_is_no_reason() -> None:
    assert too_few(Demand(None), flat((0,))) is None
    assert too_few(Demand(26, instances=3), TWO_SOCKETS.topology) is None


def test_an_engine_elsewhere_counts_its_own_cores() -> None:
    (part,) = placements_elsewhere(Demand(48), 96)
    assert (part.server, part.client, part.note) == (tuple(range(48)), usable_cores(), None)
    assert part.apart


def test_an_engine_elsewhere_without_a_limit_is_not_pinned() -> None:
    (part,) = placements_elsewhere(Demand(None), 96)
    assert (part.server, part.client) == ((), usable_cores())


@pytest.mark.parametrize(
    ("cores", "text"), [((), ""), ((3,), "3"), ((0, 1, 2, 3, 8), "0-3,8"), ((0, 2, 4), "0,2,4")]
)
def test_cpusets_are_written_as_the_kernel_does(cores: tuple[int, ...], text: str) -> None:
    assert format_cpuset(cores) == text
    assert parse_cpuset(text) == cores
