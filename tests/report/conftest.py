"""Runs that several tests look at, each drawn once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmbench.report.write import write_report
from llmbench.store import RunDir
from tests.report.synthetic import HOSTILE, grid, model, write_run

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Two input lengths by three numbers of users, a few failures, drawn."""
    path = tmp_path_factory.mktemp("runs") / "20260921T141320Z-01234567"
    run = write_run(path, grid(inputs=(128, 512), users=(1, 4, 16)), requests_per_user=8)
    write_report(run)
    return run


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Markup in every text that comes from outside, drawn."""
    path = tmp_path_factory.mktemp("runs") / "hostile"
    run = write_run(
        path,
        grid(),
        configs=[model(title=f"T{HOSTILE}", model=f"M{HOSTILE}$x$")],
        failure=0.3,
        log=f"L{HOSTILE}\n",
        prompts={f"P{HOSTILE}": {"kind": "synthetic", "source": f"S{HOSTILE}"}},
        command=("pytest", f"C{HOSTILE}"),
        notes=(f"N{HOSTILE}",),
    )
    write_report(run)
    return run


@pytest.fixture
def run_path(tmp_path: Path) -> Iterator[Path]:
    """Where a test may put a run of its own."""
    yield tmp_path / "run"
