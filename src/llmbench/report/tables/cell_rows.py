"""Turns the results of cells into the rows of ``cells.csv``, from which most charts are drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from llmbench.results import CellResult, CellSummary, Distribution

if TYPE_CHECKING:
    import pandas as pd

Value = str | int | float | bool | None
_PARTS = Distribution.__struct_fields__
_APART = (
    *("cell", "cell_id", "repeat", "limit_counts", "common_errors", "replicas", "turns"),
    "classes",
)
"""The fields of a summary that are not columns, as other columns or the words of `why` say them."""


def distributions() -> tuple[str, ...]:
    """The fields of `CellSummary` that are a `Distribution`."""
    hints = CellSummary.__annotations__
    return tuple(n for n in CellSummary.__struct_fields__ if "Distribution" in str(hints[n]))


def row(result: CellResult) -> dict[str, Value]:
    """One repeat of a cell, flat: a distribution becomes ``ttft_ms_p50`` and so on."""
    summary, cell = result.summary, result.summary.cell
    values: dict[str, Value] = {
        "cell": summary.cell_id,
        "repeat": summary.repeat,
        "model": cell.model,
        "config": cell.config_name,
        "cores": cell.limits.cores,
        "memory_limit_bytes": cell.limits.memory_bytes,
        "instances": cell.limits.instances,
        "traffic": None if cell.traffic is None else cell.traffic.name,
        "prefix_cache": cell.prefix_cache,
        "requested_input_tokens": cell.input_tokens or None,
        "requested_output_tokens": cell.output_tokens or None,
        "inputs": None if summary.inputs_per_s is None else cell.inputs,
        "images": None if cell.images is None else cell.images.count,
        "image_size": None if cell.images is None else cell.images.size,
        "load": cell.shape.kind,
        "users": cell.shape.most_users,
        "rate_per_s": cell.rate_per_s,
        "stamp": result.stamp,
        "valid": result.valid,
        "outcome": result.outcome,
        "meets_slo": result.meets_slo,
        "slo": result.slo,
        "why": result.why,
        "notes": "\n".join(result.notes),
    }
    fields = msgspec.structs.asdict(summary)
    nested = distributions()
    for name in CellSummary.__struct_fields__:
        if name in nested:
            values |= _flat(name, fields[name])
        elif name in ("errors", "unknown_finishes"):
            values[name] = " ".join(f"{kind}:{n}" for kind, n in sorted(fields[name].items()))
        elif name not in _APART:
            values[name] = fields[name]
    return values


def frame(results: Sequence[CellResult]) -> "pd.DataFrame":
    """A row for each repeat of each cell, in the order of `results`."""
    import pandas as pd

    table = pd.DataFrame([row(result) for result in results], columns=columns())
    return _numbers(table)


def columns() -> list[str]:
    """The columns of `frame`, also of an empty one."""
    names = [
        "cell",
        "repeat",
        "model",
        "config",
        "cores",
        "memory_limit_bytes",
        "traffic",
        "prefix_cache",
        "requested_input_tokens",
        "requested_output_tokens",
        "inputs",
        "images",
        "image_size",
        "load",
        "users",
        "rate_per_s",
        "stamp",
        "valid",
        "outcome",
        "meets_slo",
        "slo",
        "why",
        "notes",
    ]
    nested = distributions()
    for name in CellSummary.__struct_fields__:
        if name in nested:
            names += [f"{name}_{part}" for part in _PARTS]
        elif name not in _APART:
            names.append(name)
    return names


def by_cell(cells: "pd.DataFrame") -> "pd.DataFrame":
    """A row for each cell: medians over its valid repeats (over all where none is valid).

    Counts (requests, succeeded, failed, dropped) are sums over all repeats; `repeats` counts
    them, `valid` and `meets_slo` hold only when they do for every repeat, `slo` is the worst.
    """
    import pandas as pd

    groups = cells.groupby("cell", sort=False)
    used = cells[cells["valid"] | ~groups["valid"].transform("any")]
    first = used.drop_duplicates("cell").set_index("cell", drop=False)
    outcome = _worst(groups, "outcome")
    telling = cells[cells["outcome"] == cells["cell"].map(outcome)].drop_duplicates("cell")
    middle = _medians(used).drop(columns=[*_SUMS, "error_rate"])
    merged = {name: groups[name].sum() for name in _SUMS} | {
        "error_rate": groups["failed"].sum() / groups["requests"].sum().clip(lower=1),
        "valid": groups["valid"].all(),
        "meets_slo": groups["meets_slo"].all(),
        "slo": _worst(groups, "slo"),
        "outcome": outcome,
        "stamp": telling.set_index("cell")["stamp"],
        "why": groups["why"].agg(lambda some: "\n".join(dict.fromkeys(filter(None, some)))),
        "repeats": groups.size(),
        "invalid_repeats": (~cells["valid"]).groupby(cells["cell"]).sum(),
    }
    rest = first.drop(columns=[name for name in (*middle, *merged) if name in first])
    table = pd.concat([rest, middle, pd.DataFrame(merged)], axis=1).loc[list(groups.groups)]
    names = [*cells.columns, "repeats", "invalid_repeats"]
    return _numbers(table[names].reset_index(drop=True))


def _worst(groups: Any, name: str) -> "pd.Series[str]":
    """The value of `name` of each cell that comes last in its order."""
    order = {"slo": _SLOS, "outcome": _OUTCOMES}[name]
    worst: pd.Series[str] = groups[name].agg(lambda some: max(some, key=order.index))
    return worst


_OUTCOMES = ("valid", "overloaded", "invalid")  # the last that any repeat has is the cell's
_SLOS = ("met", "undecided", "missed")  # here too
_SUMS = ("requests", "succeeded", "failed", "dropped", "warmup")


def _medians(used: "pd.DataFrame") -> "pd.DataFrame":
    """The median of each number by cell; of a bound, not known where one repeat doesn't know it."""
    numbers = used.select_dtypes("number").drop(columns=["repeat", "users"])
    middle: pd.DataFrame = numbers.groupby(used["cell"]).median()
    bounds = numbers.filter(regex="_(low|high)$")
    unknown = bounds.isna().groupby(used["cell"]).any()
    middle[bounds.columns] = middle[bounds.columns].mask(unknown)
    return middle


_TEXT = (
    "cell",
    "traffic",
    "prefix_cache",
    "image_size",
    "model",
    "config",
    "load",
    "stamp",
    "slo",
    "outcome",
    "why",
    "notes",
    "errors",
    "unknown_finishes",
    "window_rule",
    "let_go",
    "let_go_by",
    "run",
)
_FLAGS = ("valid", "meets_slo", "simulated", "overloaded", "computes_on_cpu")


def _numbers(table: "pd.DataFrame") -> "pd.DataFrame":
    """Make columns of numbers floats, so that "not known" is NaN in all of them."""
    kinds: dict[str, Any] = {}
    for name in table.columns:
        if name in _FLAGS:
            kinds[name] = bool
        elif name not in _TEXT and table[name].dtype.kind not in "iu":
            kinds[name] = float
    return table.astype(kinds).copy()


def _flat(name: str, value: Distribution | None) -> dict[str, Value]:
    return {f"{name}_{part}": getattr(value, part, None) for part in _PARTS}
