"""The last lines that a person reads: the table, what was skipped and why, where the page is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from llmbench.plugin.state import PluginState


NARROWEST = 120
"""Columns that the table gets where the output is no terminal, or a narrow one."""


def show(reporter: pytest.TerminalReporter, session: PluginState) -> None:
    """Print what came of the session; nothing where no benchmark was collected."""
    if session.skipped:
        reporter.section("llmbench: not run here")
        for name, reason in sorted(session.skipped.items()):
            reporter.write_line(f"{name}: {reason}")
    if session.bench is None or not (session.measured or session.broken_off):
        return
    from llmbench.report import highlights, terminal_table

    reporter.section("llmbench")
    results = session.results()
    for part in (terminal_table(results), *highlights(session.run_dir)):
        reporter.write_line(rendered(reporter, part))
    for result in results:
        for problem in (*result.problems, *result.slo_misses):
            reporter.write_line(f"{result.summary.cell_id}: {problem.message}")
    against = [session.judged] if session.judged is not None else []
    for verdict in (*against, *session.compared):
        from llmbench.verdict import lines

        reporter.section(f"llmbench: against {verdict.baseline}")
        for line in lines(verdict, all_rows=True):
            reporter.write_line(line)
    note = session.run_dir.unreadable_note()
    for told in (*session.problems, *([] if note is None else [note])):
        reporter.write_line(f"ERROR: {told}", red=True)
    if session.page is not None:
        reporter.write_line(f"page: {session.page}")
    if session.saved is not None:
        reporter.write_line(f"baseline: {session.saved}")


def rendered(reporter: pytest.TerminalReporter, part: RenderableType) -> str:
    """A table or a line as text, as wide as the terminal."""
    from rich.console import Console

    width = max(reporter._tw.fullwidth, NARROWEST)
    console = Console(width=width, color_system="auto" if reporter.hasmarkup else None)
    with console.capture() as capture:
        console.print(part, highlight=False)
    return capture.get().rstrip()
