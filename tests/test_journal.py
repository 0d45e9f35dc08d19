"""A journal holds whole lines or nothing, and a damaged one costs only its damage."""

import errno
import os
import pickle
from pathlib import Path

import pytest

from llmbench.journal import Journal, WriteError, disk_fault, read_journal
from llmbench.records import ResourceSample
from llmbench.store import RunDir, replace_file
from tests.test_store import CELL, record


def sample(number: int) -> ResourceSample:
    return ResourceSample(number, "m", None, None, 1.0, 2)


class Filling:
    """`os.write` on a disk that takes `room` more bytes, at most `most` of them at a time."""

    def __init__(self, room: int, most: int) -> None:
        self.room, self._most, self._real = room, most, os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._real(fd, data[: min(self.room, self._most)])
        self.room -= written
        return written


def test_a_line_that_the_system_takes_in_parts_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "samples.jsonl"
    with Journal(path) as journal:
        monkeypatch.setattr(os, "write", Filling(10_000, most=7))
        journal.append(sample(1))
        journal.append(sample(2))
    assert list(read_journal(path, ResourceSample)) == [sample(1), sample(2)]


def test_a_line_that_a_full_disk_takes_a_part_of_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "samples.jsonl"
    with Journal(path) as journal:
        journal.append(sample(1))
        whole = path.stat().st_size
        monkeypatch.setattr(os, "write", disk := Filling(20, most=10_000))
        with pytest.raises(WriteError, match=f"^the disk is full: {path}$"):
            journal.append(sample(2))
        assert path.stat().st_size == whole
        disk.room = 10_000  # somebody made room
        journal.append(sample(3))
    assert list(read_journal(path, ResourceSample)) == [sample(1), sample(3)]


def test_a_record_is_not_joined_to_a_line_that_a_crash_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"time_ns": 1, "tar')
    with Journal(path) as journal:
        journal.append(sample(2))
    assert list(read_journal(path, ResourceSample)) == [None, sample(2)]


DAMAGE = [b"\0\0\0\n", b'{"cell":1}\n', b"\xff\xfe\n", b'{"ce{"cell":"m"}\n']


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_line_is_left_out_and_counted(damage: bytes, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    path = run.journal_file(CELL.id, 1)
    with Journal(path) as journal:
        journal.append(record(1))
    path.write_bytes(path.read_bytes() + damage)
    with Journal(path) as journal:
        journal.append(record(2))
    assert run.unreadable_note() is None
    for _ in range(2):  # reading again counts no line twice
        assert [r.request for r in run.requests(CELL.id)] == [1, 2]
        assert run.unreadable_note() == (
            f"1 line could not be read and is left out: journal/requests/{CELL.id}/1.0.jsonl"
        )


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where a folder should be")
    with pytest.raises(WriteError, match=r"^a file can't be written: .*cells\.jsonl$"):
        Journal(tmp_path / "journal" / "cells.jsonl")


def test_a_file_that_cannot_be_replaced_stays_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    replace_file(path, b"old")

    def fill(part: Path, content: bytes) -> None:
        part.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(WriteError, match="the disk is full"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_which_errors_mean_that_nothing_more_can_be_written() -> None:
    assert disk_fault(OSError(errno.EROFS, "Read-only file system", "x.csv")) == (
        "a file can't be written: Read-only file system: x.csv"
    )
    assert disk_fault(OSError(errno.ENOSPC, "No space left")) == "the disk is full"
    assert disk_fault(WriteError(errno.EMFILE, "Too many open files", "j")) == (
        "a file can't be written: Too many open files: j"
    )
    assert disk_fault(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None


def test_the_error_crosses_processes_whole() -> None:
    error = pickle.loads(pickle.dumps(WriteError(errno.ENOSPC, "No space", "journal")))
    assert str(error) == "the disk is full: journal"
