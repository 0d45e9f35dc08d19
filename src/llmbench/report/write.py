"""A whole report from a run's directory, and several runs on the same axes."""

from collections.abc import Sequence
from pathlib import Path

from llmbench.store import RunDir, replace_file


def write_report(run: RunDir) -> Path:
    """Make every file of the report anew from the run's journal; gives the page's path.

    Writes ``requests/*.csv``, ``cells.csv``, ``resources.csv``, ``requests.parquet``,
    ``charts/`` and ``index.html``. `ConfigError` when ``run.json`` is damaged.
    """
    from llmbench.report.charts.gallery import gallery
    from llmbench.report.files import write_parquet
    from llmbench.report.gather import write_and_read
    from llmbench.report.page import render
    from llmbench.report.pictures import save

    data = write_and_read(run)
    write_parquet(run)
    pictures = [save(chart, run.charts) for chart in gallery(data)]
    replace_file(run.page_file, render(data, pictures).encode())
    return run.page_file


def overlay(runs: Sequence[RunDir], folder: Path) -> Path:
    """Draw several runs on the same axes into `folder`; gives the path of their page."""
    raise NotImplementedError
