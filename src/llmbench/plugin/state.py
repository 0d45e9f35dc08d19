"""The state of one pytest session: its models, run directory, measuring and verdict.

Each is made when it is first needed.

Heavy libraries are imported here, at the first cell, and not with the plugin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest

from llmbench.cells import Cell
from llmbench.config import ConfigError, Grid
from llmbench.plugin.contest import Contest
from llmbench.plugin.models import (
    check_access,
    launches_by_model,
    pair_of,
    through_ssh,
    with_client,
)
from llmbench.plugin.passed_over import passed_over
from llmbench.plugin.url_options import check_remote

if TYPE_CHECKING:
    from pandas import DataFrame

    from llmbench.bench import Served, Servers, Session, Settings, Shelf
    from llmbench.config import ModelConfig
    from llmbench.plugin.kinds import Kind
    from llmbench.plugin.options import Options
    from llmbench.report import RequestsCsv
    from llmbench.results import CellResult
    from llmbench.store import RunDir
    from llmbench.verdict import RepeatDigest, Verdict


class PluginState:
    """The state that the plugin's hooks and fixtures share; it hangs on ``config.stash``."""

    def __init__(self, config: pytest.Config, options: Options, terminal: TextIO) -> None:
        self.config, self.options = config, options
        self.terminal = terminal  # what the user reads, whatever pytest captures
        self.cells: tuple[Cell, ...] = ()
        self.launches: dict[str, int] = {}  # of each model that is measured
        self.skipped: dict[str, str] = {}  # cell, or model with its limits -> why
        self.mistake: ConfigError | None = None  # why there are no models
        self.session: Session | None = None
        self.page: Path | None = None
        self.saved: Path | None = None
        self.contest: Contest | None = None  # of --llm-ab
        self.problems: list[str] = []  # at the session's end; each sets the exit status
        self.broken_off = False  # within a cell, whose measurement can't be written
        self._run_dir: RunDir | None = None
        self.judged: Verdict | None = None
        self._requests: dict[str, RequestsCsv] = {}  # by cell

    def plan(self, cells: Iterable[Cell], of_pair: Iterable[Cell] = ()) -> None:
        """Note the cells whose tests will run, and which of them are compared with twins of B.

        Options that are of no use to some of them are told.
        """
        self.cells = tuple(dict.fromkeys(cells))
        given = self.options
        for line in passed_over(given.command_line_grid, given.ini_grid, self.cells):
            self.say(line)
        compared = tuple(dict.fromkeys(of_pair))
        if compared and self.pair is not None:
            a, b = (model.name for model in self.pair)
            self.contest = Contest(a, b, compared, self.options)
        alone = {*self.cells} - {*compared}
        self.launches = launches_by_model(self.models, alone, self.options)

    @cached_property
    def models(self) -> tuple[ModelConfig, ...]:
        """The models to choose from: those of the hook or the one of ``--llm-url``.

        A `ConfigError` is raised anew each time, without asking again.
        """
        if self.mistake is None:
            try:
                return self._models()
            except ConfigError as error:
                self.mistake = error
        raise self.mistake

    def _models(self) -> tuple[ModelConfig, ...]:
        if self.served is not None:
            models = [self.served.model]
        else:
            models = list(self.config.hook.pytest_llmbench_models(config=self.config))
        for model in models:
            check_access(model)
        given = self.options
        reached = (through_ssh(m, given.ssh_tunnel) for m in models)
        return tuple(with_client(m, timeout_s=given.timeout_s, deal=given.deal) for m in reached)

    @cached_property
    def served(self) -> Served | None:
        """The server of ``--llm-url``, asked for what the options leave out; None without one."""
        if self.options.remote is None:
            return None
        from llmbench.bench import served

        found = served(self.options.remote, sends=not self.config.option.collectonly)
        check_remote(found.model)
        if found.line:
            self.say(found.line)
        return found

    @property
    def default_grid(self) -> Grid:
        """The grid that stands below all that the user set."""
        return Grid() if self.served is None else self.served.grid

    @property
    def context_tokens(self) -> int | None:
        """The context that the server of ``--llm-url`` told; None without one."""
        return None if self.served is None else self.served.context_tokens

    def too_long(self, cell: Cell) -> str | None:
        """Why the server of ``--llm-url`` can't take the requests of `cell`; None where it can."""
        if self.served is None:
            return None
        return self.served.too_long(cell.input_tokens, cell.output_tokens)

    @cached_property
    def pair(self) -> tuple[ModelConfig, ModelConfig] | None:
        """The two models of ``--llm-ab``; None where it isn't given."""
        return None if self.options.ab is None else pair_of(self.options.ab, self.models)

    @property
    def all_models(self) -> tuple[ModelConfig, ...]:
        """The models to choose from, and versions of them that ``--llm-ab`` names."""
        named = {model.name: model for model in (*self.models, *(self.pair or ()))}
        return tuple(named.values())

    def models_of(self, kind: Kind) -> tuple[ModelConfig, ...]:
        """The models that a kind of benchmark makes cells of."""
        if not kind.first_of_pair or self.pair is None:
            return self.models
        return self.pair[:1]

    @property
    def run_dir(self) -> RunDir:
        """The directory of this run, made when the first cell needs it."""
        if self._run_dir is None:
            from llmbench.bench import new_run

            wanted = {cell.model for cell in self.cells} | {m.name for m in self.pair or ()}
            chosen = [model for model in self.all_models if model.name in wanted]
            detected = {} if self.served is None else self.served.facts
            self._run_dir = new_run(self.options.settings, chosen, detected)
        return self._run_dir

    @property
    def begun(self) -> bool:
        """Whether there is a directory of this run."""
        return self._run_dir is not None

    def make_session(self, servers: Servers, shelf: Shelf) -> Session:
        """Make the session that measures all cells of this pytest session."""
        from llmbench.bench import Session

        self.session = Session(
            self.run_dir,
            self.options.settings,
            self.all_models,
            servers,
            shelf,
            repeats={model.name: self.options.repeats_of(model) for model in self.all_models},
            launches=self.launches,
            out=self.terminal,
            judged=self._repeat_judged,
            done=self._cell_finished,
            decided=self._decided,
        )
        grids = {
            model.name: self.options.grid_of(model, self.default_grid) for model in self.all_models
        }
        self.session.plan(self.cells, {name: max(g.users or (1,)) for name, g in grids.items()})
        return self.session

    def say(self, line: str) -> None:
        """Show the user one line, on a line of its own."""
        print(f"\nllmbench: {line}", file=self.terminal, flush=True)

    def verdict(self) -> Verdict:
        """The verdict on this run against the baseline of ``--llm-baseline``, made once."""
        if self.judged is None:
            from llmbench.verdict import gate_run

            assert self.options.baseline is not None
            self.judged = gate_run(
                self.options.baselines_dir,
                self.options.baseline,
                self.run_dir,
                tolerance=self.options.tolerance,
                anyway=self.options.compare_anyway,
                inconclusive=self.options.inconclusive,
                host_allowance=self.options.host_allowance,
                launch_allowance=self.options.launch_allowance,
            )
        return self.judged

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts so far: against the baseline, and of B against A."""
        made = (self.judged, None if self.contest is None else self.contest.verdict)
        return [verdict for verdict in made if verdict is not None]

    @property
    def gated(self) -> bool:
        """Whether there is a run to compare with a baseline."""
        return self.measured and self.options.baseline is not None

    def results(self) -> list[CellResult]:
        """Every measured repeat; of a session that was broken off, those that it wrote down."""
        assert self.session is not None
        if self.broken_off:
            from llmbench.verdict import results

            return results(self.run_dir)
        return [result for repeats in self.session.results.values() for result in repeats]

    @property
    def measured(self) -> bool:
        """Whether any cell has ended."""
        return self.session is not None and bool(self.session.results)

    def _repeat_judged(self, digest: RepeatDigest, requests: DataFrame) -> None:
        """Write the repeat's requests as CSV, while they are at hand."""
        from llmbench.report import RequestsCsv

        cell_id = digest.run.cell_id
        if cell_id not in self._requests:
            self._requests[cell_id] = RequestsCsv(self.run_dir.requests_file(cell_id))
        self._requests[cell_id].add(digest.run.repeat, requests)

    def _cell_finished(self, cell_id: str, results: Sequence[CellResult]) -> None:
        self.config.hook.pytest_llmbench_cell_finished(
            config=self.config, run=self.run_dir, cell_id=cell_id, results=results
        )

    def _decided(self, results: Sequence[CellResult]) -> bool:
        if self.options.baseline is None:
            return False
        from llmbench.verdict import decided

        return decided(
            self.options.baselines_dir,
            self.options.baseline,
            results,
            cells=len(self.cells),
            tolerance=self.options.tolerance,
            launch_allowance=self.options.launch_allowance,
        )


STATE: pytest.StashKey[PluginState] = pytest.StashKey()


def session_settings(config: pytest.Config) -> Settings:
    """The settings that hold for the whole session, for a suite's own fixtures."""
    return config.stash[STATE].options.settings
