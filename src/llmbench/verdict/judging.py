"""Turns a run's journal into judged cells, which is the one way from records to results."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from llmbench.config import Slo
from llmbench.metrics import Point, summarise, table
from llmbench.records import CellRun
from llmbench.results import CellResult
from llmbench.store import RunDir
from llmbench.verdict.unfinished import leftovers
from llmbench.verdict.validity import judge

if TYPE_CHECKING:
    from pandas import DataFrame


class JudgedCell(Struct, frozen=True):
    """All repeats of one cell, with their requests as a table of `llmbench.metrics.table`."""

    cell_id: str
    runs: tuple[CellRun, ...]
    results: tuple[CellResult, ...]  # one for each of `runs`
    requests: "DataFrame"


def judged_step(run: CellRun, step: Point) -> CellResult:
    """The verdict on a step of a ramp, as on a cell of that many users; it has no SLO."""
    return judge(step.summary, structs.replace(run, cell=step.summary.cell), Slo())


def results(run: RunDir) -> list[CellResult]:
    """Every repeat of every cell of a run; cells are in the order in which they first ran.

    Cells that a killed run left unfinished are included, as INVALID (rule ``did_not_end``).
    `ConfigError` when ``run.json`` is damaged.
    """
    return [result for cell in judged_cells(run) for result in cell.results]


def judged_cells(
    run: RunDir, cell_id: str | None = None, *, with_events: bool = False
) -> Iterator[JudgedCell]:
    """The cells of a run, or one of them, each with its requests; reads one cell at a time."""
    slos = {model.name: model.slo for model in run.info().models}
    samples = run.samples()
    ended = {(r.cell_id, r.repeat): r for r in run.cell_runs()}
    every = [*ended.values(), *leftovers(run, set(ended))]
    for name in dict.fromkeys(r.cell_id for r in every):
        if cell_id not in (None, name):
            continue
        runs = sorted((r for r in every if r.cell_id == name), key=lambda r: r.repeat)
        requests = table(run.requests(name), with_events=with_events)
        slo = slos.get(runs[0].cell.model, Slo())
        of_cell = [sample for sample in samples if sample.cell == name]
        judged = tuple(
            judge(summarise(r, requests, of_cell, slo), r, slo, ended=(name, r.repeat) in ended)
            for r in runs
        )
        yield JudgedCell(name, tuple(runs), judged, requests)
