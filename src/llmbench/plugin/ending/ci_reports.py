"""Puts figures and verdicts where CI systems look: JUnit's properties, GitHub's annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmbench.store import replace_file

if TYPE_CHECKING:
    from llmbench.cells import Cell
    from llmbench.plugin.state import PluginState
    from llmbench.store import RunDir


def write_figures(state: PluginState, run_dir: RunDir) -> None:
    """Write the figures as OpenMetrics text, where that was asked for."""
    path = state.options.openmetrics
    if path is not None and state.measured:
        from llmbench.report import openmetrics

        replace_file(path, openmetrics(state.results(), state.verdicts))


class CiReports:
    """A plugin of its own, registered once the options are known."""

    def __init__(self, state: PluginState) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Give the report of a benchmark the figures of its cell, or the verdict that it asked."""
        callspec = getattr(item, "callspec", None)
        if call.when == "call" and item.get_closest_marker("llm") is not None and callspec:
            asked = getattr(item, "fixturenames", ())
            item.user_properties += self._properties(callspec.params["cell"], asked)

    def _properties(self, cell: Cell, asked: tuple[str, ...]) -> list[tuple[str, object]]:
        from llmbench.report import cell_properties, verdict_properties

        if "llm_gate" in asked:
            judged = self._state.judged
            return [] if judged is None else [*verdict_properties(judged.of(cell.id))]
        if "llm_versus" in asked:
            contest = self._state.contest
            if contest is None or contest.verdict is None:
                return []
            return [*verdict_properties(contest.part(contest.verdict, cell))]
        if self._state.session is None or "llm_replay" in asked:
            return []
        return [*cell_properties(self._state.session.results.get(cell.id, ()))]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdicts as annotations, on GitHub."""
        for verdict in self._state.verdicts:
            from llmbench.report import annotations

            for line in annotations(verdict):
                terminalreporter.write_line(line)
