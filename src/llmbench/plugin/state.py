"""The state of one pytest session: its run directory, its bench, its verdict. Made when needed.

Whatever is heavy is imported here, at the first cell, and not with the plugin.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest

from llmbench.cells import Cell
from llmbench.config import ConfigError
from llmbench.journal import disk_fault
from llmbench.plugin.options import ab_pair, models, path_of, session_settings, text_of

if TYPE_CHECKING:
    from llmbench.bench import Servers, Session, Shelf
    from llmbench.results import CellResult
    from llmbench.store import RunDir
    from llmbench.verdict import Verdict


class PluginState:
    """What the plugin's hooks and fixtures share; hangs on ``config.stash``."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.cells: tuple[Cell, ...] = ()
        self.skipped: dict[str, str] = {}  # model, with its limits -> why
        self.bench: Session | None = None
        self.page: Path | None = None
        self.saved: Path | None = None
        self.compared: list[Verdict] = []  # A against B
        self.problems: list[str] = []  # of the session's end: each sets the exit status
        self.broken_off = False  # in the middle of a cell, for what it measured can't be written
        self._run_dir: RunDir | None = None
        self.judged: Verdict | None = None

    def plan(self, cells: Iterable[Cell]) -> None:
        """The cells whose tests will run."""
        self.cells = tuple(dict.fromkeys(cells))

    @property
    def run_dir(self) -> RunDir:
        """The directory of this run, made when the first cell needs it."""
        if self._run_dir is None:
            from llmbench.bench import new_run

            wanted = {cell.model for cell in self.cells} | set(ab_pair(self.config))
            chosen = [model for model in models(self.config) if model.name in wanted]
            self._run_dir = new_run(session_settings(self.config), chosen)
        return self._run_dir

    def make_bench(self, servers: Servers, shelf: Shelf) -> Session:
        """The bench of this session."""
        from llmbench.bench import Session

        self.bench = Session(
            self.run_dir,
            session_settings(self.config),
            models(self.config),
            servers,
            shelf,
            out=self.terminal,
            done=self._cell_finished,
            decided=self._decided,
        )
        self.bench.plan(self.cells)
        return self.bench

    @property
    def terminal(self) -> TextIO:
        """Where a person reads, past pytest's capturing."""
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        out: TextIO = reporter._tw._file
        return out

    def say(self, line: str) -> None:
        """Show one line to a person, on a line of its own."""
        print(f"\nllmbench: {line}", file=self.terminal, flush=True)

    def verdict(self) -> Verdict:
        """This run against the baseline of ``--llm-baseline``; worked out once."""
        if self.judged is None:
            from llmbench.verdict import gate_run

            name = text_of(self.config, "baseline")
            assert name is not None
            self.judged = gate_run(
                path_of(self.config, "baselines-dir"),
                name,
                self.run_dir,
                tolerance=text_of(self.config, "tolerance"),
                anyway=self.config.getoption("--llm-compare-anyway"),
            )
        return self.judged

    @property
    def gated(self) -> bool:
        """Whether there is a run to compare with a baseline."""
        return self.measured and text_of(self.config, "baseline") is not None

    def results(self) -> list[CellResult]:
        """Every repeat that was measured; of a session that was broken off, what it wrote down."""
        assert self.bench is not None
        if self.broken_off:
            from llmbench.verdict import results

            return results(self.run_dir)
        return [result for repeats in self.bench.results.values() for result in repeats]

    @property
    def measured(self) -> bool:
        """Whether any cell has ended."""
        return self.bench is not None and bool(self.bench.results)

    def finish(self) -> None:
        """Draw the report and store the baseline, once load and servers have ended."""
        if self._run_dir is None:
            return
        from llmbench.bench import discard_if_empty, end_run

        if discard_if_empty(self._run_dir):
            return
        for step in (end_run, self._compare, self._save_baseline, self._draw):
            try:
                step(self._run_dir)
            except ConfigError as error:
                self.problems.append(str(error))
            except OSError as error:
                self.problems.append(disk_fault(error) or str(error))

    def _draw(self, run_dir: RunDir) -> None:
        self.page = self.config.hook.pytest_llmbench_report(config=self.config, run=run_dir)

    def _compare(self, run_dir: RunDir) -> None:
        """Judge against the baseline, and tell the CI job's summary page where there is one."""
        if not self.gated:
            return
        from llmbench.report import kept_verdict
        from llmbench.verdict import markdown

        kept_verdict(run_dir, self.verdict())
        if self.verdict().failed:
            self.problems.append("the gate is red")
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            with Path(summary).open("a", encoding="utf-8") as page:
                page.write(markdown(self.verdict()) + "\n")

    def _save_baseline(self, run_dir: RunDir) -> None:
        name = text_of(self.config, "save-baseline")
        if name is not None and self.measured:
            from llmbench.verdict import save_baseline

            self.saved = save_baseline(path_of(self.config, "baselines-dir"), name, run_dir)

    def _cell_finished(self, cell_id: str, results: Sequence[CellResult]) -> None:
        self.config.hook.pytest_llmbench_cell_finished(
            config=self.config, run=self.run_dir, cell_id=cell_id, results=results
        )

    def _decided(self, results: Sequence[CellResult]) -> bool:
        name = text_of(self.config, "baseline")
        if name is None:
            return False
        from llmbench.verdict import decided

        return decided(
            path_of(self.config, "baselines-dir"),
            name,
            results,
            cells=len(self.cells),
            tolerance=text_of(self.config, "tolerance"),
        )


STATE: pytest.StashKey[PluginState] = pytest.StashKey()
