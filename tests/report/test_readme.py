"""reports/README.md and the files of a run name each other."""

import re
from pathlib import Path

from llmbench.records import RequestRecord, ResourceSample
from llmbench.report.tables.cell_rows import columns
from llmbench.report.tables.run_files import COLUMNS
from llmbench.results import Distribution
from llmbench.store import RunDir, RunInfo

PAGE = (Path(__file__).parents[2] / "reports" / "README.md").read_text(encoding="utf-8")


def documented(heading: str) -> list[str]:
    """Names in the first column of the tables under a heading, in their order."""
    text = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", text, re.M)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_every_file_of_a_run_is_named(drawn: RunDir) -> None:
    patterns = [re.sub(r"<\w+>", "*", name) for name in documented("Files of a run")]
    files = [path for path in drawn.path.rglob("*") if path.is_file()]
    assert len(files) > 10
    unnamed = [f for f in files if not any(f.relative_to(drawn.path).match(p) for p in patterns)]
    assert unnamed == []


def test_every_column_of_the_requests_is_named_in_its_order() -> None:
    assert documented("Columns of `requests/<cell>.csv`") == list(COLUMNS)


def test_every_column_of_the_cells_is_named_in_its_order() -> None:
    parts = Distribution.__struct_fields__
    named = documented("Columns of `cells.csv`")
    assert set(named[-len(parts) :]) == set(parts)
    expanded: list[str] = []
    for name in named[: -len(parts)]:
        stem = name.removesuffix("…")
        expanded += [name] if stem == name else [stem + part for part in parts]
    assert sorted(expanded) == sorted(columns())


def test_every_column_of_the_resources_is_named() -> None:
    names = documented("Columns of `resources.csv`")
    assert sorted(names) == sorted(["time", *ResourceSample.__struct_fields__])


def test_every_column_of_the_parquet_file_is_named() -> None:
    names = documented("Columns of `requests.parquet`")
    assert sorted(names) == sorted(RequestRecord.__struct_fields__)


def test_every_key_of_run_json_is_named() -> None:
    assert sorted(documented("Keys of `run.json`")) == sorted(RunInfo.__struct_fields__)
