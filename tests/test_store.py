"""The run directory and its journal."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llmbench.cells import Cell, Users
from llmbench.config import ConfigError
from llmbench.journal import Journal
from llmbench.records import (
    MEASURING_VERSION,
    CellRun,
    Endpoint,
    Launch,
    RequestRecord,
    ResourceSample,
)
from llmbench.store import RunDir, RunInfo, alone_in, git_commit, replace_file

CELL = Cell("m", 128, 64, Users(2))


def record(request: int, cell: str = CELL.id) -> RequestRecord:
    return RequestRecord(
        cell=cell,
        repeat=1,
        phase="measured",
        request=request,
        user=1,
        worker=0,
        scheduled_ns=1,
        sent_ns=2,
        done_ns=9,
        requested_input_tokens=128,
        requested_output_tokens=64,
        prompt_tokens=127,
        prompt_index=0,
        event_ns=(3, 5),
        bounded_events=((0, 1),),
        error="snowman \u2603\nand a newline",
    )


def info() -> RunInfo:
    return RunInfo(
        started_ns=1,
        command=("pytest",),
        seed=1,
        harness="0",
        host={},
        packages={},
        models=(),
        measuring_version=MEASURING_VERSION,
        git_commit=None,
        git_dirty=None,
    )


def test_what_is_appended_comes_back(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with Journal(run.journal_file(CELL.id, 1)) as journal:
        journal.append(record(1))
        journal.append(record(2))
    assert list(run.requests(CELL.id)) == [record(1), record(2)]
    assert list(run.requests()) == [record(1), record(2)]
    assert list(run.requests("other")) == []


def test_a_cells_records_are_not_anothers_with_a_longer_name(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for name in ("m-rate0.5", "m-rate0.5.1"):
        with Journal(run.journal_file(name, 1)) as journal:
            journal.append(record(1, name))
    assert [r.cell for r in run.requests("m-rate0.5")] == ["m-rate0.5"]


def test_a_line_that_a_crash_cut_off_is_left_out(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    path = run.journal_file(CELL.id, 1)
    with Journal(path) as journal:
        journal.append(record(1))
        journal.append(record(2))
    path.write_bytes(path.read_bytes()[:-20])
    assert list(run.requests()) == [record(1)]


def test_the_journal_survives_kill_9(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from llmbench.records import ResourceSample
from llmbench.store import RunDir
run = RunDir(Path(sys.argv[1]))
run.append_samples([ResourceSample(i, "m", None, None, 1.0, 2) for i in range(100)])
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert RunDir(tmp_path).samples()[-1] == ResourceSample(99, "m", None, None, 1.0, 2)


def test_cell_runs_come_back_in_the_order_they_ran(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    launch = Launch(kind="remote", started_ns=1)
    endpoint = Endpoint("http://127.0.0.1:1", "openai-completions", "m", False, launch)
    runs = [
        CellRun(CELL, CELL.id, repeat, 1, 2, endpoint, seed=1, prompts_sha256="0")
        for repeat in (2, 1)
    ]
    for ended in runs:
        run.append_cell_run(ended)
    assert run.cell_runs() == runs


def test_two_runs_in_one_second_get_two_directories(tmp_path: Path) -> None:
    first, second = (RunDir.create(tmp_path, "0123456789abcdef") for _ in range(2))
    assert first.path != second.path
    assert "-01234567" in first.path.name


def test_a_given_directory_must_hold_no_run(tmp_path: Path) -> None:
    RunDir.create_at(tmp_path / "run").write_info(info())
    with pytest.raises(ConfigError, match="a run is there already; name another directory"):
        RunDir.create_at(tmp_path / "run")


def test_a_folder_without_run_json_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not a run directory: it has no run\.json"):
        RunDir.open(tmp_path)


def test_run_json_comes_back(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.write_info(info())
    assert RunDir.open(tmp_path).info() == info()


def test_a_damaged_run_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.json: damaged, or of another version"):
        RunDir.open(tmp_path).info()


def test_a_replaced_file_leaves_no_part_behind(tmp_path: Path) -> None:
    replace_file(tmp_path / "deep" / "file", b"new")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]
    assert (tmp_path / "deep" / "file").read_bytes() == b"new"


def test_a_cell_whose_name_is_a_pattern_is_found(tmp_path: Path) -> None:
    run, name = RunDir(tmp_path), "m[1]#a*-in8-out8-users1"
    for cell in (name, "m1#a-in8-out8-users1"):
        with Journal(run.journal_file(cell, 1)) as journal:
            journal.append(record(1, cell))
    assert [found.cell for found in run.requests(name)] == [name]


def test_sessions_that_replace_a_file_at_once_leave_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "shared.json"

    def replace(letter: bytes) -> set[bytes]:
        torn = set()
        for _ in range(100):
            replace_file(path, letter * 100_000)
            torn |= {seen for seen in [path.read_bytes()] if len(set(seen)) != 1}
        return torn

    with ThreadPoolExecutor(4) as writers:
        assert set().union(*writers.map(replace, [b"a", b"b", b"c", b"d"])) == set()
    assert [file.name for file in tmp_path.iterdir()] == ["shared.json"]


def test_only_one_session_is_in_a_folder_and_the_next_is_told_to_wait(tmp_path: Path) -> None:
    waiting, order = threading.Event(), []

    def second() -> None:
        with alone_in(tmp_path / "deep", waiting.set):
            order.append("second")

    with ThreadPoolExecutor(1) as other:
        with alone_in(tmp_path / "deep", pytest.fail):
            done = other.submit(second)
            assert waiting.wait(10)
            order.append("first")
        done.result(10)
    assert order == ["first", "second"]


def test_where_no_folder_can_be_made_nobody_waits(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with alone_in(tmp_path / "file" / "deep", pytest.fail):
        pass


def test_outside_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == (None, None)


def test_a_repository_tells_its_commit_and_changes(tmp_path: Path) -> None:
    def git(*args: str) -> None:
        subprocess.run(["git", "-C", tmp_path, *args], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "file").write_text("one", encoding="utf-8")
    git("add", "file")
    git("-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "one")
    commit, dirty = git_commit(tmp_path)
    assert commit is not None
    assert len(commit) == 40
    assert dirty is False
    (tmp_path / "file").write_text("two", encoding="utf-8")
    assert git_commit(tmp_path) == (commit, True)


def test_appending_is_one_write_for_each_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    real = os.write

    def write(fd: int, data: bytes) -> int:
        writes.append(data)
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    with Journal(tmp_path / "journal") as journal:
        journal.append(record(1))
    assert len(writes) == 1
    assert writes[0].endswith(b"\n")
