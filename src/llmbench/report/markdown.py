"""Summarises a run in Markdown, to be pasted into a pull request or an issue."""

from collections.abc import Sequence

from llmbench.report.advice import brief
from llmbench.report.terminal import depth_table
from llmbench.report.terminal.cell_table import caption, columns_of, rows_of
from llmbench.results import CellResult
from llmbench.store import RunDir
from llmbench.verdict import escaped


def markdown(run: RunDir) -> str:
    """Title, verdict of each cell as a table, and what is wrong with a cell."""
    from llmbench.verdict import results

    return summary(run.path.resolve().name, results(run), ended=run.info().ended_ns is not None)


def summary(title: str, results: Sequence[CellResult], *, ended: bool = True) -> str:
    """The Markdown summary of `results`; `ended` says whether the run ended by itself."""
    lines = [f"### llmbench: {escaped(title)}", ""]
    if any(result.summary.simulated for result in results):
        lines += ["**SIMULATED**: these numbers are not a real server's.", ""]
    if not ended:
        lines += ["**The run did not end by itself**; what is below is what it had measured.", ""]
    if results:
        left, columns = ("cell", "verdict"), columns_of(results)
        lines += [
            _line(columns),
            _line(["---" if name in left else "---:" for name in columns]),
            *(_line([escaped(text) for text in row]) for row in rows_of(results)),
            "",
        ]
    lines += [f"<sub>{caption(results)}</sub>", *_depths(results)]
    return "\n".join([*lines, *_reasons(results)]) + "\n"


def _depths(results: Sequence[CellResult]) -> list[str]:
    """The speed at depth, in the columns that llama-bench has and the intervals that it lacks."""
    rows = depth_table.depth_rows(results)
    if not rows:
        return []
    left, columns = ("model", "test"), depth_table.COLUMNS
    return [
        "",
        _line(columns),
        _line(["---" if name in left else "---:" for name in columns]),
        *(_line([escaped(text) for text in row]) for row in rows),
        "",
        f"<sub>{depth_table.MEANING}</sub>",
    ]


def _reasons(results: Sequence[CellResult]) -> list[str]:
    """A line for each rule that a cell broke, once for all its repeats."""
    reasons = [
        f"- `{result.summary.cell_id}`: {escaped(brief(problem.message))}"
        for result in results
        for problem in result.faults
    ]
    return ["", *dict.fromkeys(reasons)] if reasons else []


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
