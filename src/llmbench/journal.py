"""The journal, one JSON object on each line, which survives ``kill -9`` and a full disk.

Each line is written whole by one system call, or not at all. If a line is damaged nevertheless,
only that line is lost to a reader.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

RecordT = TypeVar("RecordT", bound=Struct)

DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""The errors after which nothing more can be written."""


class WriteError(OSError):
    """A file of a run could not be written; the message says which, and why."""

    def __str__(self) -> str:
        full = self.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else f"a file can't be written: {self.strerror}"
        return f"{why}: {self.filename}" if self.filename else why


def disk_fault(error: OSError) -> str | None:
    """The message for an `error` after which nothing more can be written; None for another."""
    if isinstance(error, WriteError):
        return str(error)
    if error.errno in DISK_FAULTS:
        return str(WriteError(error.errno, error.strerror or str(error), error.filename))
    return None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise whatever keeps `path` from being written as a `WriteError`."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(error.errno, error.strerror or str(error), str(path)) from error


class Journal:
    """Appends records of one type to a file, each of them whole and without delay.

    Raises `WriteError`; the file then still ends with the last record that was written whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encode = msgspec.json.Encoder().encode
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._end_torn_line()

    def append(self, record: Struct) -> None:
        """Write `record` as one line; it is in the file when this returns."""
        self.append_lines(self._encode(record) + b"\n")

    def append_lines(self, lines: bytes) -> None:
        """Write whole lines, all of them or none."""
        with writing(self._path):
            written = os.write(self._fd, lines)
            if written < len(lines):
                self._write_rest(lines, written)

    def _write_rest(self, lines: bytes, written: int) -> None:
        """Write the rest of lines that the system took only in part, or take that part back."""
        begin = os.lseek(self._fd, 0, os.SEEK_END) - written
        try:
            while written < len(lines):
                written += os.write(self._fd, lines[written:])
        except OSError:
            os.ftruncate(self._fd, begin)
            raise

    def _end_torn_line(self) -> None:
        """End a line that a crash left without its end, so that no record is joined to it."""
        size = os.lseek(self._fd, 0, os.SEEK_END)
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def read_journal(path: Path, kind: type[RecordT]) -> Iterator[RecordT | None]:
    """The records of a journal, with None for each damaged line; nothing if there is no journal.

    A last line without its end is left out, since it is being written, or a crash cut it off.
    """
    if not path.is_file():
        return
    decode = msgspec.json.Decoder(kind).decode
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield _record(decode, line)


def _record(decode: Callable[[bytes], RecordT], line: bytes) -> RecordT | None:
    try:
        return decode(line)
    except (msgspec.MsgspecError, ValueError):
        return None
