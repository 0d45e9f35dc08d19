"""Everything that the report shows of a run, read from its digests: small enough for any chart."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.cells import Cell, Ramp
from llmbench.gauges import GaugeSample
from llmbench.records import CellRun, GpuSample, ResourceSample
from llmbench.results import CellResult
from llmbench.store import RunDir, RunInfo

if TYPE_CHECKING:
    import pandas as pd

    from llmbench.metrics import FailureKind
    from llmbench.verdict import JudgedCell, RepeatDigest

CURVE_POINTS = 101
"""Most points of a drawn distribution: one for each percentile."""


class RunData(Struct, frozen=True):
    """A run as tables. `unfinished` names cells with requests but no end (a killed run)."""

    run: RunDir
    info: RunInfo
    results: tuple[CellResult, ...]
    cell_runs: tuple[CellRun, ...]
    cells: Any  # DataFrame, a row for each repeat of each cell (`cell_rows.frame`)
    merged: Any  # DataFrame, a row for each cell (`cell_rows.by_cell`)
    quantiles: Any  # DataFrame: cell, quantity, share, value, n
    timeline: Any  # DataFrame: cell, config, repeat, time_s, requests_per_s, p50_ms, p95_ms, …
    resources: Any  # DataFrame: as resources.csv, with time_s since the run began
    gauges: Any  # DataFrame: as server_metrics.parquet, with time_s since the run began
    failures: "dict[str, tuple[FailureKind, ...]]"
    unfinished: dict[str, int]
    ramps: tuple[tuple[Cell, Any], ...] = ()  # of each repeat of a ramp: its steps as Points

    @property
    def killed(self) -> bool:
        """Whether the run did not end by itself."""
        return self.info.ended_ns is None


def read_run(run: RunDir) -> RunData:
    """What charts and page need of a run."""
    from llmbench.report.tables.cell_rows import by_cell, frame
    from llmbench.verdict import judged_cells

    info = run.info()
    judged = judged_cells(run)
    cells = frame([result for cell in judged for result in cell.results])
    resources, gauges = resources_of(run), gauges_of(run)
    for rows in (resources, gauges):
        rows["time_s"] = (rows["time_ns"] - info.started_ns) / 1e9
    repeats = [digest for cell in judged for digest in cell.repeats]
    return RunData(
        run=run,
        info=info,
        results=tuple(digest.result for digest in repeats),
        cell_runs=tuple(run.cell_runs()),
        cells=cells,
        merged=by_cell(cells),
        quantiles=quantiles_of(judged),
        timeline=timeline_of(repeats, info.started_ns),
        resources=resources,
        gauges=gauges,
        failures={cell.cell_id: failures_of(cell) for cell in judged},
        unfinished={
            cell.cell_id: sum(digest.requests.records for digest in cell.repeats)
            for cell in judged
            if any(p.rule == "did_not_end" for result in cell.results for p in result.problems)
        },
        ramps=tuple(
            (digest.run.cell, digest.requests.ramp)
            for digest in repeats
            if isinstance(digest.run.cell.shape, Ramp)
        ),
    )


GPU_COLUMNS = tuple(n for n in GpuSample.__struct_fields__ if n not in ("index", "mig"))
"""The fields that each GPU has a column for; the others are in the column's name."""


def resources_of(run: RunDir) -> "pd.DataFrame":
    """A row for each sample of CPU, memory and GPUs; each GPU has columns of its own."""
    import pandas as pd

    rows = [_row_of(sample) for sample in run.samples()]
    plain = [name for name in ResourceSample.__struct_fields__ if name != "gpus"]
    of_gpus = sorted({name for row in rows for name in row} - set(plain), key=_gpu_column)
    return pd.DataFrame(rows, columns=[*plain, *of_gpus])


def _row_of(sample: ResourceSample) -> dict[str, object]:
    row: dict[str, object] = {
        name: getattr(sample, name) for name in sample.__struct_fields__ if name != "gpus"
    }
    for gpu in sample.gpus:
        instance = "" if gpu.mig is None else f".{gpu.mig.replace('/', '.')}"
        prefix = f"gpu{gpu.index}{instance}"
        for name in GPU_COLUMNS:
            value = getattr(gpu, name)
            row[f"{prefix}_{name}"] = ", ".join(value) if isinstance(value, tuple) else value
    return row


def _gpu_column(name: str) -> tuple[list[int], int]:
    """The place of ``gpu10_power_w``: by the GPU's number, then as in `GpuSample`.

    An instance by MIG, as in ``gpu0.1.0_memory_bytes``, is sorted by all its numbers.
    """
    gpu, _, column = name.partition("_")
    numbers = [int(number) for number in gpu.removeprefix("gpu").split(".")]
    return numbers, GPU_COLUMNS.index(column)


def gauges_of(run: RunDir) -> "pd.DataFrame":
    """A row for each reading of the servers' own gauges; what they don't tell is NaN."""
    import msgspec
    import pandas as pd

    rows = [msgspec.structs.asdict(sample) for sample in run.gauges()]
    table = pd.DataFrame(rows, columns=list(GaugeSample.__struct_fields__))
    texts = ("target", "replica", "cell", "error")
    whole: dict[str, Any] = {"time_ns": "int64", "repeat": "int64"} | dict.fromkeys(texts, "object")
    return table.astype({name: whole.get(name, "float64") for name in table.columns})


def quantiles_of(cells: "Iterable[JudgedCell]") -> "pd.DataFrame":
    """The distribution of each quantity over the steady windows of a cell's valid repeats.

    `value` is the smallest sample with at least `share` of all at or below it (an ECDF's step).
    """
    import numpy as np
    import pandas as pd

    from llmbench.metrics import QUANTITIES, pooled

    names, shares, values = list[tuple[str, str, int]](), list[Any](), list[Any]()
    for cell in cells:
        valid = [digest for digest in cell.repeats if digest.result.valid] or cell.repeats
        for quantity in QUANTITIES:
            windows = [digest.requests.window[quantity] for digest in valid]
            n = sum(window.n for window in windows)
            if n:
                ranks, drawn = pooled(windows, CURVE_POINTS)
                names.append((cell.cell_id, quantity, n))
                shares.append(ranks / n)
                values.append(drawn)
    empty = _no_quantiles()
    if not names:
        return empty
    lengths = [len(drawn) for drawn in values]
    of_cell, of_quantity, counts = (np.repeat(part, lengths) for part in zip(*names, strict=True))
    columns = {"cell": of_cell, "quantity": of_quantity, "share": np.concatenate(shares)}
    columns |= {"value": np.concatenate(values), "n": counts}
    return pd.DataFrame(columns).astype(empty.dtypes.to_dict())


def _no_quantiles() -> "pd.DataFrame":
    import pandas as pd

    kinds: dict[str, Any] = {
        "cell": "str",
        "quantity": "str",
        "share": float,
        "value": float,
        "n": int,
    }
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def timeline_of(repeats: "Sequence[RepeatDigest]", started_ns: int) -> "pd.DataFrame":
    """The timelines of all repeats; `time_s` is a slot's middle, in seconds since `started_ns`."""
    import numpy as np
    import pandas as pd

    empty = _no_timeline()
    told = [(digest.run, digest.requests.timeline) for digest in repeats]
    lengths = [len(slots.middle_ns) for _, slots in told]
    if not sum(lengths):
        return empty
    names = [(run.cell_id, run.cell.config_name, run.repeat) for run, _ in told]
    columns: dict[str, Any] = {
        name: np.repeat(part, lengths)
        for name, part in zip(("cell", "config", "repeat"), zip(*names, strict=True), strict=True)
    }
    middle = np.concatenate([np.array(slots.middle_ns, np.int64) for _, slots in told])
    columns["time_s"] = (middle - started_ns) / 1e9
    for name in empty.columns[len(columns) :]:
        columns[name] = np.concatenate([np.array(getattr(s, name), float) for _, s in told])
    return pd.DataFrame(columns).astype(empty.dtypes.to_dict())


def _no_timeline() -> "pd.DataFrame":
    import pandas as pd

    kinds: dict[str, Any] = dict.fromkeys(
        ("time_s", "requests_per_s", "failures_per_s", "p50_ms", "p95_ms", "in_flight"), float
    )
    texts: dict[str, Any] = {"cell": "str", "config": "str", "repeat": int}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in (texts | kinds).items()})


def failures_of(cell: "JudgedCell") -> "tuple[FailureKind, ...]":
    """The failures of a cell's measured requests by kind, the most frequent first."""
    from llmbench.metrics import FailureKind

    kinds: dict[str, FailureKind] = {}
    for some in (failure for digest in cell.repeats for failure in digest.requests.failures):
        before = kinds.get(some.kind, FailureKind(some.kind, 0, ""))
        count, example = before.count + some.count, before.example or some.example
        kinds[some.kind] = FailureKind(some.kind, count, example)
    return tuple(sorted(kinds.values(), key=lambda failure: (-failure.count, failure.kind)))
