"""A few of the drills, with what has to be so after each; the rest: python -m tests.perf.drills."""

import pytest

from tests.perf.drills import BY_NAME, Kind, Result, Scene, drill, skipped, table


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("kill -9 the client, server found", 2),
        ("kill -9 a worker", 1),
        ("the disk is full", 1),
    ],
)
def test_a_struck_session_loses_and_leaves_nothing(name: str, seed: int) -> None:
    kind = BY_NAME[name]
    why = skipped(kind)
    if why is not None:
        pytest.skip(why)
    done = drill(kind, seed)
    assert (done.lost, done.left, done.report, done.wrong) == (0, (), "", "")
    assert done.ended_s < 60


def test_a_lost_request_is_counted() -> None:
    def lose_one(scene: Scene) -> None:
        assert scene.site.run is not None
        journal = next(scene.site.run.path.glob("journal/requests/*/*.jsonl"))
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[1:]))

    done = drill(Kind("a line is lost", "found", lose_one, ("report",)), 8)
    assert (done.lost, done.left) == (2, ())  # by the user's numbers, and by the server's


def test_the_table_has_a_row_for_each_kind_and_the_sum() -> None:
    results = [
        Result("SIGINT", "load", lost=1, ended_s=2.0),
        Result("SIGINT", "report", left=("sleep 60", "sleep 61"), ended_s=3.0),
        Result("SIGTERM", "load", report="no page", ended_s=0.5),
    ]
    assert [line.split() for line in table(results).splitlines()] == [
        ["drill", "count", "lost", "left", "no", "report", "longest", "end"],
        ["SIGINT", "2", "1", "1", "0", "3.0", "s"],
        ["SIGTERM", "1", "0", "0", "1", "0.5", "s"],
        ["all", "3", "1", "1", "1", "3.0", "s"],
    ]
