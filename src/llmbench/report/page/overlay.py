"""Draws several runs on the same axes, to compare models, engines or sizes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from llmbench.store import RunDir, replace_file

if TYPE_CHECKING:
    import pandas as pd

    from llmbench.report.page.pictures import Picture


class Overlaid(Struct, frozen=True):
    """One of several runs, as their common page names it."""

    label: str
    path: str
    facts: str


def overlay(runs: Sequence[RunDir], page: Path) -> Path:
    """Draw several runs into one self-contained `page` and return its path.

    Each run's configurations are series of their own in the charts against users. The runs
    themselves are not changed.
    """
    from tempfile import TemporaryDirectory

    from llmbench.report.charts import against_users
    from llmbench.report.page.pictures import picture

    cells = cells_of(runs)
    drawings = [partial(against_users.chart, cells, name) for name in against_users.NAMES]
    with TemporaryDirectory() as folder:
        drawn = [picture(draw, Path(folder)) for draw in drawings]
    pictures = [some for some in drawn if some is not None]
    labels = labels_of(runs)
    overlaid = [
        Overlaid(label, str(run.path), f"{(cells['run'] == label).sum()} results")
        for run, label in zip(runs, labels, strict=True)
    ]
    replace_file(page, _render(cells, overlaid, pictures).encode())
    return page


def labels_of(runs: Sequence[RunDir]) -> list[str]:
    """The runs' folder names, with a number where two are the same."""
    names = [run.path.resolve().name for run in runs]
    return [f"{n} ({k})" if names.count(n) > 1 else n for k, n in enumerate(names, 1)]


def cells_of(runs: Sequence[RunDir]) -> "pd.DataFrame":
    """The results of all runs as one table; `config` and `cell` begin with the run's label."""
    import pandas as pd

    from llmbench.report.tables.cell_rows import frame
    from llmbench.verdict import results

    tables = []
    for run, label in zip(runs, labels_of(runs), strict=True):
        table = frame(results(run))
        configs = [f"{label}: {config}" for config in table["config"]]
        names = [f"{label}: {cell}" for cell in table["cell"]]
        tables.append(table.assign(run=label, config=configs, cell=names))
    return pd.concat(tables, ignore_index=True)


def _render(cells: "pd.DataFrame", runs: Sequence[Overlaid], pictures: "Sequence[Picture]") -> str:
    from llmbench.report.page.listing import COLUMNS, rows_of, verdicts_of
    from llmbench.report.page.render import environment, marked, script_and_style
    from llmbench.report.tables.cell_rows import by_cell

    merged = by_cell(cells)
    page: str = (
        environment()
        .get_template("overlay.html.j2")
        .render(
            runs=runs,
            charts=marked(pictures),
            columns=COLUMNS,
            rows=rows_of(merged),
            verdicts=verdicts_of(merged),
            **script_and_style(),
        )
    )
    return page
