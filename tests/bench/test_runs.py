"""What leads to the newest run."""

from pathlib import Path
from typing import NoReturn

import pytest

from llmbench.bench.runs import point_latest
from llmbench.store import LATEST, RunDir, run_at


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").touch()
    return tmp_path


def test_latest_is_a_link_that_moves_on(runs: Path) -> None:
    for name in ("first", "second"):
        point_latest(runs / name)
        assert (runs / LATEST).is_symlink()
        assert (runs / LATEST).resolve() == (runs / name).resolve()


def test_without_links_latest_is_a_file_that_is_read_alike(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: str) -> NoReturn:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for name in ("first", "second"):
        point_latest(runs / name)
        assert (runs / LATEST).read_text(encoding="utf-8") == f"{name}\n"
        assert run_at(runs / LATEST) == runs / name
        assert RunDir.open(runs / LATEST).path == runs / name
