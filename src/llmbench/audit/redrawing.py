"""Makes a run's files again from its journal, elsewhere, and compares them figure by figure."""

import csv
import json
import re
from collections.abc import Iterator
from html import unescape
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llmbench.audit.run_manifest import copy_sources, files_of, is_source
from llmbench.report import write_report
from llmbench.store import RunDir

SAME = 1e-9
"""Two figures this close, relatively, are the same: versions of numpy round differently."""

DRAWN = ("charts", "requests", "digests")
"""The folders that hold nothing but what is made from the journal."""

_PICTURES = re.compile(r"<svg\b.*?</svg>|data:image/[^\"']*", re.DOTALL)
"""Fonts and versions draw them differently, so that only the manifest tells of them."""


def contradictions(run: RunDir) -> Iterator[str]:
    """What in the files that are made from the journal doesn't follow from it."""
    with TemporaryDirectory() as folder:
        copy = copy_sources(run, Path(folder) / _name_on_page(run))
        write_report(copy, anew=True)
        made = {name: path for name, path in files_of(copy) if not is_source(name)}
        there = {name: path for name, path in files_of(run) if not is_source(name)}
        for name in sorted({*made, *there}):
            if name not in there:
                yield f"{name}: missing"
            elif name in made:
                yield from _differences(name, there[name], made[name])
            elif name.split("/")[0] in DRAWN:
                yield f"{name}: does not come from the journal"


def _name_on_page(run: RunDir) -> str:
    """The name of the run's folder when it was drawn: it may have another one now."""
    name = run.path.resolve().name
    if run.page_file.is_file():
        title = re.search(r"<title>([^<]*) · llmbench</title>", _text(run.page_file))
        name = unescape(title[1]) if title else name
    return re.sub(r"[/\0]|^\.+$", "_", name) or "run"


def _differences(name: str, there: Path, made: Path) -> Iterator[str]:
    if there.read_bytes() == made.read_bytes():
        return
    match made.suffix:
        case ".csv":
            yield from _of_tables(name, _rows(there), _rows(made))
        case ".parquet":
            yield from _of_tables(name, _parquet(there), _parquet(made))
        case ".json":
            yield from values_differ(name, _json(there), _json(made))
        case ".html":
            yield from _of_texts(name, _text(there), _text(made))


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _parquet(path: Path) -> list[dict[str, Any]]:
    from pyarrow import ArrowException, parquet

    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError):
        return []
    return rows


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _text(path: Path) -> str:
    return _PICTURES.sub("", path.read_text(encoding="utf-8", errors="replace"))


def _of_tables(name: str, there: list[dict[str, Any]], made: list[dict[str, Any]]) -> Iterator[str]:
    if len(there) != len(made):
        yield f"{name}: {len(there)} rows, and the journal gives {len(made)}"
        return
    for number, (row, right) in enumerate(zip(there, made, strict=True), 1):
        for column in dict.fromkeys((*right, *row)):
            if not _same(row.get(column), right.get(column)):
                yield (
                    f"{name}: row {number}, {column}: {row.get(column)}, and the journal gives "
                    f"{right.get(column)}"
                )


def values_differ(name: str, there: Any, made: Any) -> Iterator[str]:
    """Each value of a JSON document that is not the one that was made again."""
    if isinstance(there, dict) and isinstance(made, dict):
        for key in dict.fromkeys((*made, *there)):
            yield from values_differ(f"{name}: {key}", there.get(key), made.get(key))
    elif isinstance(there, list) and isinstance(made, list) and len(there) == len(made):
        for place, (one, right) in enumerate(zip(there, made, strict=True)):
            yield from values_differ(f"{name}[{place}]", one, right)
    elif not _same(there, made):
        yield f"{name}: {there}, and the journal gives {made}"


def _of_texts(name: str, there: str, made: str) -> Iterator[str]:
    lines = zip(there.splitlines(), made.splitlines(), strict=False)
    for number, (line, right) in enumerate(lines, 1):
        if line != right:
            yield f"{name}: line {number}: {_around(line, right)}"
    if there.count("\n") != made.count("\n"):
        yield f"{name}: {there.count(chr(10))} lines, and the journal gives {made.count(chr(10))}"


def _around(line: str, right: str) -> str:
    """The place where two lines begin to differ."""
    same = next((i for i, (a, b) in enumerate(zip(line, right, strict=False)) if a != b), 0)
    begin = max(0, same - 20)
    return f"“{line[begin : same + 20]}”, and the journal gives “{right[begin : same + 20]}”"


def _same(one: Any, right: Any) -> bool:
    if one == right:
        return True
    try:
        return isclose(float(one), float(right), rel_tol=SAME)
    except (TypeError, ValueError):
        return False
