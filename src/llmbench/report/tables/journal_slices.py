"""Reads the journal's requests as Arrow tables, slice by slice, without an object for each.

A run may hold a million requests with a stamp for each token. Arrow's JSON reader takes the
lines as they are, so that such a run is written out in seconds and in bounded memory.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from llmbench.records import RequestRecord
from llmbench.store import RunDir

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_BYTES = 32 * 2**20  # of a journal file that are in memory at once
_TEXTS = (
    *("cell", "phase", "counted_by", "finish_reason", "error_kind", "error", "clock"),
    *("traffic", "traffic_class", "conversation_end"),
)
_FLOATS = ("server_queue_ms", "server_prompt_ms", "server_decode_ms")


def schema() -> "pa.Schema":
    """One Arrow field for each field of `RequestRecord`, in its order."""
    import pyarrow as pa

    kinds: dict[str, Any] = dict.fromkeys(_TEXTS, pa.string()) | dict.fromkeys(
        _FLOATS, pa.float64()
    )
    kinds |= {
        "event_ns": pa.list_(pa.int64()),
        "event_tokens": pa.list_(pa.int64()),
        "bounded_events": pa.list_(pa.list_(pa.int64())),
    }
    fields = RequestRecord.__struct_fields__
    return pa.schema([(name, kinds.get(name, pa.int64())) for name in fields])


def files_of(run: RunDir, cell_id: str) -> list[Path]:
    """The journal files of a cell: one for each repeat and worker, in that order."""
    folder = run.journal_file(cell_id, 1).parent
    return sorted(folder.glob("*.jsonl"), key=lambda path: [int(p) for p in path.stem.split(".")])


def cell_ids(run: RunDir) -> list[str]:
    """The cells with a journal: those that ended, in the order they ran, then the others."""
    folder = run.path / "journal" / "requests"
    began = sorted(path.name for path in folder.glob("*") if path.is_dir())
    ended = dict.fromkeys(cell_run.cell_id for cell_run in run.cell_runs())
    return [*ended, *(name for name in began if name not in ended)]


def slices(run: RunDir, path: Path) -> Iterator["pa.Table"]:
    """The records of one journal file, without lines that are damaged or cut off.

    Lines that were damaged since the requests were judged are counted as unreadable here.
    """
    import pyarrow as pa

    damaged = 0
    for lines in _whole_lines(path):
        try:
            yield _table(lines)
        except pa.ArrowException:
            every = lines.splitlines(keepends=True)
            readable = [line for line in every if _reads(line)]
            damaged += len(every) - len(readable)
            if readable:
                yield _table(b"".join(readable))
    run.unreadable[path] = max(damaged, run.unreadable.get(path, 0))


def _table(lines: bytes) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import json

    options = json.ParseOptions(explicit_schema=schema(), unexpected_field_behavior="ignore")
    block = json.ReadOptions(block_size=max(len(lines), 2**16))
    table = json.read_json(pa.BufferReader(lines), read_options=block, parse_options=options)
    return table.select(schema().names).combine_chunks()


def _reads(line: bytes) -> bool:
    """Whether `line` is a record; `RunDir.requests` counts those that are not."""
    try:
        msgspec.json.decode(line, type=RequestRecord)
    except (msgspec.MsgspecError, ValueError):
        return False
    return True


def _whole_lines(path: Path) -> Iterator[bytes]:
    """The file in pieces that each end with a whole line."""
    rest = b""
    with path.open("rb") as file:
        while piece := file.read(SLICE_BYTES):
            head, newline, tail = piece.rpartition(b"\n")
            if newline:
                yield rest + head + newline
                rest = tail
            else:
                rest += piece
