"""Makes the files of one side of a comparison into what the gate compares.

Each file is a repeat; what it lacks is None in its place.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from llmbench.config import ConfigError
from llmbench.interchange.loads import LENGTHS, check_files
from llmbench.interchange.measurements import ToolFile, ToolMeasurement
from llmbench.interchange.tools import Tool, read_tool_file
from llmbench.metrics import certifiable
from llmbench.verdict import ADVISORY, CellSample, Rules, Sample


def sample_of_files(paths: Sequence[Path], *, launch_per_file: bool = False) -> Sample:
    """The files as one side; no file tells whether its server was launched for it.

    `ConfigError` where they are of several tools, or versions of one, or of several loads.
    """
    read = [(path, *read_tool_file(path)) for path in paths]
    first, tool, content = read[0]
    for path, other, its in read[1:]:
        if (other.name, its.version) != (tool.name, content.version):
            there, here = _stamp(other, its), _stamp(tool, content)
            raise ConfigError(f"{path}: written by {there}, and {first} by {here}")
        check_files(str(path), its, str(first), content)
    cells: dict[str, list[ToolMeasurement]] = {}
    for _, _, its in read:
        for measurement in its.measurements:
            cells.setdefault(measurement.cell_id, []).append(measurement)
    return Sample(
        name=_name(paths),
        created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        git_commit=None,
        simulated=False,  # no file tells
        fingerprint=_fingerprint(tool, content),
        cells={cell_id: _cell(several, launch_per_file) for cell_id, several in cells.items()},
    )


def _name(paths: Sequence[Path]) -> str:
    """The files' names, with their folder's where files of several folders have the same."""
    names = [path.name for path in paths]
    if len({*names}) < len(names):
        names = [f"{path.parent.name}/{path.name}" for path in paths]
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


def _stamp(tool: Tool, content: ToolFile) -> str:
    return f"{tool.name} {content.version or '(version not told)'}"


def _fingerprint(tool: Tool, content: ToolFile) -> dict[str, str]:
    stamp = {"tool": tool.name, "tool.version": content.version or "not told"}
    loads = {
        f"cell.{measurement.cell_id}.{field}": text
        for measurement in content.measurements
        for field, text in measurement.load.items()
    }
    return stamp | dict(sorted(loads.items()))


def _cell(several: Sequence[ToolMeasurement], launch_per_file: bool) -> CellSample:
    faults = [_fault(measurement) for measurement in several]
    good = [m for m, fault in zip(several, faults, strict=True) if fault is None]
    fewest = min((m.succeeded for m in good), default=0)
    repeats = [_figures(measurement) for measurement in good]
    names = dict.fromkeys(name for figures in repeats for name in figures)
    asked = sum(m.asked for m in several)
    return CellSample(
        metrics={name: [figures[name] for figures in repeats] for name in names},
        requests=fewest,
        repeats=len(good),
        invalid=len(several) - len(good),
        why="; ".join(dict.fromkeys(fault for fault in faults if fault)),
        advisory=[n for n in ADVISORY if not certifiable(float(n.rpartition("_p")[2]), fewest)],
        launches=[*range(len(good))] if launch_per_file else [],
        counts={"failed": [asked - sum(m.succeeded for m in several), asked]},
    )


def _fault(measurement: ToolMeasurement) -> str | None:
    """Why a repeat's figures don't count, by the rules for runs."""
    asked, limit = measurement.asked, Rules().error_rate
    if not measurement.succeeded:
        return f"none of {asked} requests succeeded"
    failed = 1 - measurement.succeeded / asked
    if failed <= limit:
        return None
    return f"{failed:.1%} of {asked} requests failed, limit {limit:.0%}: the times are of the rest"


def _figures(measurement: ToolMeasurement) -> dict[str, float | None]:
    """The figures that are compared, and the lengths, which tell whether the load was the same."""
    figures = {
        "ttft": measurement.ttft.p50,
        "time_per_token": measurement.time_per_token.p50,
        "throughput": measurement.output_tokens_per_s,
    }
    for percentile in ("p95", "p99"):
        figures[f"ttft_{percentile}"] = getattr(measurement.ttft, percentile)
        figures[f"time_per_token_{percentile}"] = getattr(measurement.time_per_token, percentile)
    figures |= {length: getattr(measurement, length) for length in LENGTHS}
    return {name: None if v is None else float(f"{v:.6g}") for name, v in figures.items()}
