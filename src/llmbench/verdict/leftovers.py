"""Cells that a killed run left in its journal without an end, as far as they can be told."""

import re
from collections.abc import Collection, Iterator

from llmbench.cells import Arrivals, Cell, Limits, Ramp, Shape, Trace, Users
from llmbench.config import ModelConfig, parse_bytes
from llmbench.records import CellRun, Endpoint, Launch, RequestRecord
from llmbench.store import RunDir, RunInfo

_ID = re.compile(
    r"(?P<model>.+?)(?:-cores(?P<cores>[\d.e+]+))?(?:-mem(?P<memory>\d+[gmk]?))?"
    r"(?:-in(?P<input>\d+)-out(?P<output>\d+))?"
    r"-(?:users(?P<users>\d+)|ramp(?P<ramp>\d+)|rate(?P<rate>[\d.e+-]+)|trace-(?P<trace>.+)|cold)"
)


def leftovers(run: RunDir, ended: Collection[tuple[str, int]]) -> Iterator[CellRun]:
    """A `CellRun` for each repeat in the journal that is not among `ended`.

    The cell is read from its id, the rest from its records and from ``run.json``. A folder
    whose name is no cell's id, or whose files hold no whole record, is passed over.
    """
    info = run.info()
    folder = run.path / "journal" / "requests"
    for path in sorted(p for p in folder.glob("*") if p.is_dir()):
        repeats = {int(file.name.split(".")[0]) for file in path.glob("*.jsonl")}
        open_repeats = sorted(r for r in repeats if (path.name, r) not in ended)
        if not open_repeats or (cell := cell_from_id(path.name)) is None:
            continue
        records = list(run.requests(path.name))
        for repeat in open_repeats:
            mine = [record for record in records if record.repeat == repeat]
            if mine:
                yield _cell_run(cell, path.name, repeat, mine, info)


def cell_from_id(cell_id: str) -> Cell | None:
    """The cell that an id names, as far as it tells; None where it is no cell's id."""
    found = _ID.fullmatch(cell_id)
    if found is None:
        return None
    memory = parse_bytes(found["memory"], cell_id) if found["memory"] else None
    limits = Limits(float(found["cores"]) if found["cores"] else None, memory)
    lengths = (
        int(found["input"] or 0),
        int(found["output"] or 0),
    )  # a trace's requests have own ones
    return Cell(found["model"], *lengths, _shape(found), limits)


def _shape(found: re.Match[str]) -> Shape:
    if found["users"]:
        return Users(int(found["users"]))
    if found["ramp"]:
        return Ramp((int(found["ramp"]),), step_s=0.0)
    if found["rate"]:
        return Arrivals(float(found["rate"]))
    return Trace(found["trace"]) if found["trace"] else Users(1, cold=True)


def _cell_run(
    cell: Cell, cell_id: str, repeat: int, records: list[RequestRecord], info: RunInfo
) -> CellRun:
    model = next((m for m in info.models if m.name == cell.model), None)
    return CellRun(
        cell=cell,
        cell_id=cell_id,
        repeat=repeat,
        started_ns=min(r.scheduled_ns for r in records),
        ended_ns=max(r.done_ns for r in records),
        endpoint=_endpoint(model),
        seed=info.seed,
        prompts_sha256="",
        workers=1 + max(r.worker for r in records),
    )


def _endpoint(model: ModelConfig | None) -> Endpoint:
    """What the configuration tells of a server whose launch record was lost."""
    launch = Launch(kind=type(model.server).__name__ if model else "unknown", started_ns=0)
    if model is None:
        return Endpoint("", "", "", simulated=False, launch=launch)
    return Endpoint("", model.api, model.model, simulated=model.simulated, launch=launch)
