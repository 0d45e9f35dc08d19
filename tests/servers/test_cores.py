import os

from llmbench.process import pin
from llmbench.servers.cores import CoreSplit, split_cores, usable_cores


def test_server_gets_the_first_cores_and_the_client_the_others() -> None:
    assert split_cores(2, (0, 1, 2, 3)) == CoreSplit((0, 1), (2, 3))


def test_without_a_wish_the_client_keeps_one_core() -> None:
    assert split_cores(None, (4, 5, 6)) == CoreSplit((4, 5), (6,))


def test_a_fraction_takes_a_whole_core() -> None:
    assert split_cores(0.5, (0, 1)) == CoreSplit((0,), (1,))


def test_sharing_a_core_is_said() -> None:
    split = split_cores(2, (0, 1))
    assert split.server == (0, 1)
    assert split.client == (1,)
    assert not split.apart
    assert split.note == (
        "the server has all 2 usable cores: the load generator shares core 1 with it, "
        "so client and server slow each other down"
    )


def test_a_server_without_a_limit_leaves_a_core_to_each_worker() -> None:
    split = split_cores(None, tuple(range(8)), workers=3)
    assert (split.server, split.client, split.note) == ((0, 1, 2, 3, 4), (5, 6, 7), None)


def test_a_server_elsewhere_takes_no_core() -> None:
    assert split_cores(0, (0, 1, 2, 3), workers=2) == CoreSplit((), (0, 1, 2, 3))


def test_a_server_keeps_the_cores_that_it_was_given() -> None:
    assert split_cores(2, (0, 1, 2, 3), workers=3) == CoreSplit(
        (0, 1),
        (2, 3),
        "3 load generating processes share 2 cores: more than 2 can't carry more load here",
    )


def test_workers_leave_a_core_to_the_server() -> None:
    split = split_cores(None, (0, 1), workers=4)
    assert (split.server, split.client, split.apart) == ((0,), (1,), True)
    assert split.note is not None and split.note.startswith("4 load generating processes share 1")


def test_one_core_is_shared() -> None:
    split = split_cores(None, (0,))
    assert (split.server, split.client) == ((0,), (0,))
    assert split.note is not None


def test_pin_keeps_to_the_cores() -> None:
    before = usable_cores()
    try:
        pin(before[:1])
        assert usable_cores() == before[:1]
    finally:
        os.sched_setaffinity(0, before)
