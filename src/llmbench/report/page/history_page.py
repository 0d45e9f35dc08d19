"""The page of many runs over time, which is one file like the page of a run."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.store import replace_file

if TYPE_CHECKING:
    from llmbench.verdict import Sample

_KINDS = {"PASS": "valid", "FAIL": "invalid", "INCONCLUSIVE": "misses"}


class RunLine(Struct, frozen=True):
    """A run of the history, and how it compares with the one before it."""

    name: str
    created: str
    commit: str
    cells: int
    state: str  # – for the first
    kind: str  # which gives the colour
    words: str


def history_page(folder: Path, out: Path) -> Path:
    """Write the page of all runs and baselines in `folder`, and return its path.

    Each is judged against the one before it. `ConfigError` where there are fewer than two.
    """
    from llmbench.report.charts import over_runs
    from llmbench.report.numbers import number
    from llmbench.report.page.change_points import change_points
    from llmbench.report.page.pictures import picture
    from llmbench.report.page.render import environment, marked, script_and_style

    samples = samples_in(folder)
    if len(samples) < 2:
        raise ConfigError(f"{folder}: a history needs two runs or baselines, has {len(samples)}")
    lines = run_lines(samples)
    changes = change_points(over_runs.data(samples))
    draw = partial(over_runs.chart, samples, [line.state for line in lines], changes or ())
    with TemporaryDirectory() as temporary:
        drawn = picture(draw, Path(temporary))
    page: str = (
        environment()
        .get_template("history.html.j2")
        .render(
            title=folder.resolve().name,
            lines=lines,
            changes=changes,
            samples=samples,
            labels=over_runs.METRICS,
            number=number,
            simulated=any(sample.simulated for sample in samples),
            css=script_and_style()["css"],
            chart=next(iter(marked([drawn] if drawn else [])), None),
        )
    )
    replace_file(out, page.encode())
    return out


def samples_in(folder: Path) -> "list[Sample]":
    """The runs (folders with a ``run.json``) and baselines (files) right in `folder`, by time."""
    from llmbench.verdict import sample_at

    paths = {path.parent.resolve() for path in folder.glob("*/run.json")}
    paths |= {path for path in folder.glob("*.json") if _is_baseline(path)}
    samples = [sample_at(path) for path in sorted(paths)]
    return sorted((s for s in samples if s.cells), key=lambda sample: sample.created)


def _is_baseline(path: Path) -> bool:
    from llmbench.verdict import is_baseline

    try:
        return is_baseline(json.loads(path.read_bytes()))
    except ValueError:
        return False


def run_lines(samples: "Sequence[Sample]") -> list[RunLine]:
    """Each run with its verdict against the run before it."""
    from llmbench.verdict import compare_samples, headline, policy_of

    lines = []
    for place, sample in enumerate(samples):
        state, words = "–", "the first"
        if place:
            before = samples[place - 1]
            verdict = compare_samples(before, sample, None, False, "pass", policy_of(None))
            state, words = verdict.state, headline(verdict).partition(": ")[2]
        commit, cells = (sample.git_commit or "")[:10], len(sample.cells)
        kind = _KINDS.get(state, "plain")
        lines.append(RunLine(sample.name, sample.created, commit, cells, state, kind, words))
    return lines
