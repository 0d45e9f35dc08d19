"""Turns a run's journal into judged cells, which is the one way from records to results.

A repeat is judged once, when it ends, and its digest is kept; all that shows results reads digests.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from llmbench.config import Slo
from llmbench.gauges import GaugeSample
from llmbench.metrics import Point, bandwidth_use, requests_digest, summarise, table
from llmbench.records import CellRun, ResourceSample
from llmbench.results import CellResult
from llmbench.store import RunDir
from llmbench.value_types import ModelSize
from llmbench.verdict.begun import Begun, begun
from llmbench.verdict.repeat_digest import RepeatDigest, harness, kept_digest
from llmbench.verdict.validity import judge

if TYPE_CHECKING:
    from pandas import DataFrame


class JudgedCell(Struct, frozen=True):
    """All repeats of one cell, in the order of their numbers."""

    cell_id: str
    repeats: tuple[RepeatDigest, ...]

    @property
    def runs(self) -> tuple[CellRun, ...]:
        """What is known of each repeat besides its requests."""
        return tuple(digest.run for digest in self.repeats)

    @property
    def results(self) -> tuple[CellResult, ...]:
        """The numbers of each repeat with the verdict on them."""
        return tuple(digest.result for digest in self.repeats)


def judged_step(run: CellRun, step: Point) -> CellResult:
    """The verdict on a step of a ramp, as on a cell of that many users; it has no SLO."""
    return judge(step.summary, structs.replace(run, cell=step.summary.cell), Slo())


def results(run_dir: RunDir) -> list[CellResult]:
    """Every repeat of every cell of a run; cells are in the order in which they first ran.

    Cells that a killed run left unfinished are included, as INVALID (rule ``did_not_end``).
    `ConfigError` when ``run.json`` is damaged.
    """
    return [result for cell in judged_cells(run_dir) for result in cell.results]


def judged_cells(run_dir: RunDir, cell_id: str | None = None) -> list[JudgedCell]:
    """The cells of a run, or one of them, from their digests.

    A cell with a repeat that has no digest is judged from the journal; nothing is written.
    """
    cells = {name: some for name, some in begun(run_dir).items() if cell_id in (None, name)}
    digests = {name: _kept(run_dir, repeats) for name, repeats in cells.items()}
    incomplete = [name for name, repeats in cells.items() if len(digests[name]) < len(repeats)]
    digests |= {name: [] for name in incomplete}
    for digest, _ in judge_anew(run_dir, incomplete) if incomplete else ():
        digests[digest.run.cell_id].append(digest)
    return [JudgedCell(name, tuple(of_cell)) for name, of_cell in digests.items()]


def undigested(run_dir: RunDir) -> list[str]:
    """The cells with a repeat that has no digest: of killed runs, and of older versions."""
    cells = begun(run_dir).items()
    return [name for name, repeats in cells if len(_kept(run_dir, repeats)) < len(repeats)]


def judge_anew(
    run_dir: RunDir, cell_ids: Collection[str] | None = None
) -> Iterator[tuple[RepeatDigest, "DataFrame"]]:
    """Judge the repeats of all cells, or of some, from the journal, cell by cell.

    Each comes with its requests. They are read a repeat at a time, to keep memory small.
    """
    models = {model.name: model for model in run_dir.info().models}
    samples: dict[str | None, list[ResourceSample]] = {}
    for sample in run_dir.samples():
        samples.setdefault(sample.cell, []).append(sample)
    gauges: dict[str, list[GaugeSample]] = {}
    for reading in run_dir.gauges():
        gauges.setdefault(reading.cell, []).append(reading)
    for cell_id, repeats in begun(run_dir).items():
        if cell_ids is None or cell_id in cell_ids:
            for repeat in repeats:
                model = models.get(repeat.run.cell.model)
                slo, size = (model.slo, model.size) if model else (Slo(), None)
                seen = samples.get(cell_id, ()), gauges.get(cell_id, ())
                yield judge_repeat(run_dir, repeat.run, slo, *seen, ended=repeat.ended, size=size)


def judge_repeat(
    run_dir: RunDir,
    run: CellRun,
    slo: Slo,
    samples: Sequence[ResourceSample],
    gauges: Sequence[GaugeSample] = (),
    *,
    ended: bool = True,
    size: ModelSize | None = None,
) -> tuple[RepeatDigest, "DataFrame"]:
    """Judge one repeat from its own journal files; its requests come with its digest.

    `samples` and `gauges` may be of other repeats too. A repeat that was not `ended` ends with its
    last request, if there is one.
    """
    requests = table(run_dir.requests(run.cell_id, run.repeat))
    if not ended and len(requests):
        run = structs.replace(run, ended_ns=int(requests["done_ns"].max()))
    summary = summarise(run, requests, samples, slo, gauges=gauges)
    summary = structs.replace(summary, bandwidth_use=bandwidth_use(summary, size))
    result = judge(summary, run, slo, ended=ended)
    return RepeatDigest(run, result, requests_digest(run, summary, requests), harness()), requests


def _kept(run_dir: RunDir, repeats: Sequence[Begun]) -> list[RepeatDigest]:
    digests = (kept_digest(run_dir, repeat) for repeat in repeats)
    return [digest for digest in digests if digest is not None]
