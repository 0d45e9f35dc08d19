"""The last lines of a session: the table, what was skipped and why, and where the page is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from llmbench.plugin.state import PluginState


NARROWEST = 120
"""The width of the table, in characters, where the terminal is narrower or there is none."""


def show(reporter: pytest.TerminalReporter, state: PluginState) -> None:
    """Print the session's outcome; nothing where no benchmark was collected."""
    if state.skipped:
        reporter.section("llmbench: not run here")
        for name, reason in sorted(state.skipped.items()):
            reporter.write_line(f"{name}: {reason}")
    if state.session is None or not (state.measured or state.broken_off):
        return
    from llmbench.report import highlights, next_command, terminal_table

    reporter.section("llmbench")
    results = state.results()
    for part in (terminal_table(results), *highlights(state.run_dir)):
        reporter.write_line(rendered(reporter, part))
    for result in results:
        for problem in result.faults:
            reporter.write_line(f"{result.summary.cell_id}: {problem.message}")
    for verdict in state.verdicts:
        from llmbench.verdict import lines

        reporter.section(f"llmbench: against {verdict.baseline}")
        for line in lines(verdict, all_rows=True):
            reporter.write_line(line)
    note = state.run_dir.unreadable_note()
    for problem_text in (*state.problems, *([] if note is None else [note])):
        reporter.write_line(f"ERROR: {problem_text}", red=True)
    if state.page is not None:
        reporter.write_line(f"page: {state.page}")
    info = state.run_dir.info()
    if info.detected and (step := next_command(info, results)):
        reporter.write_line(step)
    if state.saved is not None:
        reporter.write_line(f"baseline: {state.saved}")


def rendered(reporter: pytest.TerminalReporter, part: RenderableType) -> str:
    """A table or a line as text, as wide as the terminal."""
    from rich.console import Console

    width = max(reporter._tw.fullwidth, NARROWEST)
    console = Console(width=width, color_system="auto" if reporter.hasmarkup else None)
    with console.capture() as capture:
        console.print(part, highlight=False)
    return capture.get().rstrip()
