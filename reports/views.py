"""The views of a run in this suite: the harness's page, and a link to the newest run."""

from pathlib import Path

import pytest

from llmbench import RunDir, write_report


def pytest_llmbench_report(config: pytest.Config, run: RunDir) -> Path:
    """Draw the page, and let ``reports/runs/latest`` lead to it."""
    page = write_report(run)
    if run.path.parent == config.rootpath / "reports" / "runs":
        point_latest(run.path)
    return page


def point_latest(run: Path) -> None:
    """Make the link ``latest`` beside `run` lead to it, without a moment in which it is missing."""
    fresh = run.with_name(".latest")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(run.name)
    fresh.replace(run.with_name("latest"))
