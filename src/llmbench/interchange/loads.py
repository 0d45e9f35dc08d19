"""Refuses to compare two loads: what was asked for must be the same, by each file's own fields."""

from collections.abc import Mapping
from statistics import median

from llmbench.config import ConfigError
from llmbench.interchange.measurements import ToolFile
from llmbench.verdict import Sample

SAME_LENGTH = 0.1
"""Mean lengths this close, relatively, are of the same load: many tools draw them."""

LENGTHS = ("input_tokens", "output_tokens")
"""They are kept with a cell's metrics, where the gate knows no tolerance for them."""

Loads = Mapping[str, Mapping[str, str]]
"""For each cell, what was asked for, by the file's fields."""


def loads_of(sample: Sample) -> Loads:
    """The loads of a side, from its fingerprint."""
    return {cell: _fields(sample.fingerprint, f"cell.{cell}.") for cell in sample.cells}


def _fields(fingerprint: Mapping[str, str], prefix: str) -> dict[str, str]:
    parts = fingerprint.items()
    return {name.removeprefix(prefix): text for name, text in parts if name.startswith(prefix)}


def loads_in(content: ToolFile) -> Loads:
    """The loads of a file."""
    return {measurement.cell_id: measurement.load for measurement in content.measurements}


def check_files(name: str, content: ToolFile, first_name: str, first: ToolFile) -> None:
    """Refuse a file that is not a repeat of all the loads of the first one."""
    here, there = loads_in(content), loads_in(first)
    if {*here} != {*there} and not len(here) == len(there) == 1:
        _refuse_cells(name, here, first_name, there)
    _check_fields(name, here, first_name, there)
    for one, other in zip(content.measurements, first.measurements, strict=True):
        for length in LENGTHS:
            values = getattr(one, length), getattr(other, length)
            _check_length(name, length, values[0], first_name, values[1])


def check_sides(new: Sample, old: Sample) -> None:
    """Refuse sides without a load in common, and cells whose loads differ in any field."""
    here, there = loads_of(new), loads_of(old)
    shared = [cell for cell in there if cell in here]
    if not shared and not len(here) == len(there) == 1:
        _refuse_cells(new.name, here, old.name, there)
    _check_fields(new.name, here, old.name, there)
    for cell in shared:
        for length in LENGTHS:
            values = (_middle(side, cell, length) for side in (new, old))
            _check_length(new.name, length, next(values), old.name, next(values))


def _check_fields(name: str, here: Loads, other: str, there: Loads) -> None:
    """The fields of the cells that both have, or of the only cell of each."""
    only = len(here) == len(there) == 1
    pairs = (
        [(*here.values(), *there.values())]
        if only
        else [(here[cell], there[cell]) for cell in here if cell in there]
    )
    for mine, yours in pairs:
        for field in dict.fromkeys((*yours, *mine)):
            one, two = mine.get(field, "not told"), yours.get(field, "not told")
            if one != two:
                raise ConfigError(f"{name}: {field}: {one}, and {other} has {two}: two loads")


def _refuse_cells(name: str, here: Loads, other: str, there: Loads) -> None:
    raise ConfigError(f"{name}: loads {', '.join(here)}, and {other} has {', '.join(there)}")


def _check_length(
    name: str, length: str, here: float | None, other: str, there: float | None
) -> None:
    if here and there and not 1 / (1 + SAME_LENGTH) <= here / there <= 1 + SAME_LENGTH:
        raise ConfigError(
            f"{name}: {length}: {here:.4g} a request, and {other} has {there:.4g}: two loads"
        )


def _middle(sample: Sample, cell: str, length: str) -> float | None:
    known = [v for v in sample.cells[cell].metrics.get(length, ()) if v is not None]
    return median(known) if known else None
