"""The edge to pytest: makes cells into tests, orders them, and shows what the session found.

This is only wiring. `llmbench.bench` measures, `llmbench.report` draws, and
`llmbench.plugin.state` holds the state of the session.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from llmbench.cells import Cell
from llmbench.config import ConfigError, ModelConfig
from llmbench.plugin import hookspecs
from llmbench.plugin.ending.ci_reports import CiReports
from llmbench.plugin.ending.closing import close_run
from llmbench.plugin.ending.terminal_summary import show
from llmbench.plugin.fixtures import (
    CLOCK,
    llm_bench,
    llm_gate,
    llm_prompts,
    llm_replay,
    llm_run,
    llm_say,
    llm_server,
    llm_servers,
    llm_session,
    llm_versus,
)
from llmbench.plugin.kinds import KINDS, Kind, cells_of, kind_named
from llmbench.plugin.models import models_in
from llmbench.plugin.options import add_options, parse_options
from llmbench.plugin.replay import METRICS
from llmbench.plugin.state import STATE, PluginState
from llmbench.plugin.users_terminal import users_terminal
from llmbench.process import interrupted_by_signals
from llmbench.results import CellResult
from llmbench.store import RunDir, check_free

__all__ = (
    "llm_bench",
    "llm_gate",
    "llm_prompts",
    "llm_replay",
    "llm_run",
    "llm_say",
    "llm_server",
    "llm_servers",
    "llm_session",
    "llm_versus",
)

XDIST = (
    "llmbench: load tests can't share a host, so they refuse to run under pytest-xdist; "
    "run them without -n, or with -p no:xdist"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, parse the options, and hang the session's state on the configuration."""
    config.addinivalue_line(
        "markers",
        "llm(kind, when_named=False): a benchmark whose `cell` (and `metric`) the plugin fills in; "
        f"kind is one of {', '.join(KINDS)}; when_named keeps it for runs that name its file",
    )
    try:
        options = parse_options(config)
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None
    until_the_end = ExitStack()
    config.add_cleanup(until_the_end.close)
    terminal = until_the_end.enter_context(users_terminal())
    state = config.stash[STATE] = PluginState(config, options, terminal)
    config.pluginmanager.register(CiReports(state), "llmbench-ci-reports")


@pytest.hookimpl(trylast=True)
def pytest_llmbench_models(config: pytest.Config) -> Sequence[ModelConfig]:
    """Every TOML file of the models folder."""
    return models_in(config.stash[STATE].options.models_dir)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each cell of each model, and for each metric if the test takes one."""
    marker = metafunc.definition.get_closest_marker("llm")
    if marker is None or "cell" not in metafunc.fixturenames:
        return
    state = metafunc.config.stash[STATE]
    try:
        kind = kind_named(marker.args[0], f"{metafunc.function.__name__}: pytest.mark.llm")
        models, grid = state.models_of(kind), state.default_grid
        told = state.context_tokens
        cells = [c for m in models for c in cells_of(kind, m, state.options, grid, told)]
    except ConfigError as error:
        if state.mistake is not None:
            return  # pytest_collection_modifyitems says it once, for all benchmarks
        raise pytest.Collector.CollectError(str(error)) from None
    if "metric" in metafunc.fixturenames:
        pairs = [(cell, metric) for cell in cells for metric in METRICS]
        metafunc.parametrize("cell,metric", pairs, ids=[f"{c.id}-{m}" for c, m in pairs])
    else:
        metafunc.parametrize("cell", cells, ids=[cell.id for cell in cells])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests asked for, order them so that each server starts once, and plan the cells."""
    mistake = config.stash[STATE].mistake
    if mistake is not None:
        raise pytest.UsageError(str(mistake))
    unwanted = [item for item in items if not _wanted(config, item)]
    if unwanted:
        items[:] = [item for item in items if item not in unwanted]
        config.hook.pytest_deselected(items=unwanted)
    load = [item for item in items if is_load(item)]
    if not load:
        return
    for item in load:
        if "llm_replay" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=CLOCK))
    items.sort(key=_order(load))
    state = config.stash[STATE]
    of_pair = [cell_of(item) for item in load if kind_of(item).first_of_pair]
    try:
        state.plan([cell_of(item) for item in load], of_pair)
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None
    if state.options.settings.run_dir is not None and not config.option.collectonly:
        try:
            check_free(state.options.settings.run_dir)
        except ConfigError as error:
            raise pytest.UsageError(str(error)) from None
    until_the_end = ExitStack()
    until_the_end.enter_context(interrupted_by_signals())
    config.add_cleanup(until_the_end.close)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse to load a server from several processes at once."""
    if is_load(item) and xdist_in_use(item.config):
        pytest.fail(XDIST, pytrace=False)


def xdist_in_use(config: pytest.Config) -> bool:
    """Whether the tests of this session are distributed over several processes."""
    return bool(config.getoption("numprocesses", None)) or "PYTEST_XDIST_WORKER" in os.environ


def is_load(item: pytest.Item) -> bool:
    """Whether `item` is a benchmark of this plugin with a cell of its own."""
    return item.get_closest_marker("llm") is not None and hasattr(item, "callspec")


def kind_of(item: pytest.Item) -> Kind:
    """The kind that a benchmark's marker names."""
    return KINDS[marker_of(item).args[0]]


def marker_of(item: pytest.Item) -> pytest.Mark:
    """The marker of a benchmark of this plugin."""
    marker = item.get_closest_marker("llm")
    assert marker is not None
    return marker


def cell_of(item: pytest.Item) -> Cell:
    """The cell that a benchmark's test was made for."""
    cell: Cell = item.callspec.params["cell"]  # type: ignore[attr-defined]
    return cell


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Judge and draw the run; a regression sets the exit status.

    Who interrupts that still gets the table.
    """
    state = session.config.stash[STATE]
    try:
        close_run(state)
    except KeyboardInterrupt:
        again = f"llmbench report {state.run_dir.path}"
        state.problems.append(f"interrupted before the report was complete: {again}")
        session.exitstatus = pytest.ExitCode.INTERRUPTED
    if state.problems and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl
def pytest_llmbench_cell_finished(run: RunDir, cell_id: str, results: Sequence[CellResult]) -> None:
    """Put the cell's repeats into ``cells.csv``."""
    from llmbench.report import append_cells

    append_cells(run, results)


@pytest.hookimpl(trylast=True)
def pytest_llmbench_report(run: RunDir) -> Path:
    """Draw the charts and the page."""
    from llmbench.report import write_report

    return write_report(run)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of cells, what was not run and why, the verdict, and where the page is."""
    show(terminalreporter, config.stash[STATE])


def _wanted(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether a benchmark runs; some need an option, others need their file to be named."""
    if not is_load(item):
        return True
    needs = kind_of(item).needs
    if needs is not None:
        return getattr(config.stash[STATE].options, needs) is not None
    named = {(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args}
    return not marker_of(item).kwargs.get("when_named", False) or item.path.resolve() in named


def _order(load: Sequence[pytest.Item]) -> Callable[[pytest.Item], tuple[int, ...]]:
    """The key that sorts by the place of the kind (other tests first), by server, then by cell."""
    servers: dict[object, int] = {}
    cells: dict[str, int] = {}
    for item in load:
        cell = cell_of(item)
        servers.setdefault(cell.server_key, len(servers))
        cells.setdefault(cell.id, len(cells))
    chosen = set(load)

    def key(item: pytest.Item) -> tuple[int, ...]:
        if item not in chosen:
            return (0,)
        cell = cell_of(item)
        return kind_of(item).place, servers[cell.server_key], cells[cell.id]

    return key
