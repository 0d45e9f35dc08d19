"""Writes the whole report of a run's directory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llmbench.store import RunDir, replace_file

if TYPE_CHECKING:
    from llmbench.verdict import Verdict


def write_report(run: RunDir, verdict: "Verdict | None" = None, *, anew: bool = False) -> Path:
    """Make the files of the report from the run's digests, and return the page's path.

    The files are ``cells.csv``, ``resources.csv``, ``requests.parquet``, ``charts/``,
    ``index.html``, and ``server_metrics.parquet`` where a server told anything. With a `verdict`
    against a baseline ``verdict.json`` is written too, from which a later call draws it again.
    Cells without a digest, or all cells (`anew`), are first judged from the journal, with their
    ``requests/*.csv``. `ConfigError` says that ``run.json`` is damaged.
    """
    from llmbench.report.page.render import render
    from llmbench.report.page.second_drawer import second_drawer
    from llmbench.report.read import read_run
    from llmbench.report.tables import run_files as files
    from llmbench.verdict import undigested

    with _no_collections(), second_drawer() as drawer:
        cell_ids = None if anew else undigested(run)
        if cell_ids != []:
            files.write_judged_anew(run, cell_ids)
        data = read_run(run)
        verdict = kept_verdict(run, verdict)
        drawing = drawer.begin(data, verdict)
        files.write_cells(run, data.cells)
        files.write_resources(run, data.resources.drop(columns="time_s"))
        files.write_parquet(run)
        files.write_server_metrics(run, data.gauges.drop(columns="time_s"))
        pictures = drawing.pictures()
    replace_file(run.page_file, render(data, pictures, verdict).encode())
    return run.page_file


@contextmanager
def _no_collections() -> Iterator[None]:
    """Pause Python's collector of cycles, which takes a fifth of the time that charts do."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def kept_verdict(run: RunDir, verdict: "Verdict | None") -> "Verdict | None":
    """Keep `verdict` in ``verdict.json``; without one, return the verdict in that file."""
    import msgspec

    from llmbench.verdict import Verdict, to_json

    file = run.path / "verdict.json"
    if verdict is not None:
        replace_file(file, to_json(verdict))
        return verdict
    return msgspec.json.decode(file.read_bytes(), type=Verdict) if file.is_file() else None
