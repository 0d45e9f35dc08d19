"""The views of a run in this suite: the harness's page."""

from pathlib import Path

import pytest

from llmbench import RunDir, write_report


def pytest_llmbench_report(config: pytest.Config, run: RunDir) -> Path:
    """Draw the page."""
    return write_report(run)
