"""The plugin's fixtures. A repository overrides `llm_servers` or `llm_prompts` for its own policy.

They build on each other: `llm_run` (the run's directory) → `llm_servers`, `llm_prompts` →
`llm_session` (measures all cells of the pytest session) → `llm_bench` (called by a benchmark).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from llmbench.config import ConfigError
from llmbench.plugin.replay import ReplayClock
from llmbench.plugin.state import STATE, PluginState, session_settings

if TYPE_CHECKING:
    from llmbench.bench import Measurement, Servers, Session, Settled, Shelf
    from llmbench.cells import Cell
    from llmbench.results import Search
    from llmbench.servers import RunningServer
    from llmbench.store import RunDir
    from llmbench.verdict import Interleaving

Replay: TypeAlias = "Callable[[Cell, str], None]"
"""The function that `llm_replay` gives: it shows one metric of a cell that was measured."""

Gate: TypeAlias = "Callable[[Cell], None]"
"""The function that `llm_gate` gives: it fails where a cell is worse than in the baseline."""

CLOCK = ReplayClock()
"""The timer that pytest-benchmark reads while recorded samples are replayed."""


class Bench:
    """Runs the cell of a benchmark, or skips the test with the reason why this host can't."""

    def __init__(self, session: Session, state: PluginState) -> None:
        self._session, self._state = session, state

    def run(self, cell: Cell) -> Measurement:
        """Measure `cell` (once a session) and return its results with their verdict."""
        from llmbench.servers import LaunchError

        self.require(cell)
        try:
            with self._written():
                return self._session.run(cell)
        except (ConfigError, LaunchError) as error:
            message = str(error)
        # outside of `except`, so that the chain of causes isn't shown with it
        pytest.fail(message, pytrace=False)

    def fits(self, cell: Cell) -> Measurement:
        """Measure `cell` for sizing: a server that can't start within its limits is INVALID."""
        self.require(cell)
        with self._written():
            return self._session.fits(cell)

    def highest_rate(self, cell: Cell) -> float | None:
        """The highest rate that meets the SLO, searched from the cell's own; None: none does."""
        return self.search(cell).met

    def most_users(self, cell: Cell) -> int | None:
        """The most users with whom the SLO is met, searched from the cell's own number."""
        met = self.search(cell).met
        return None if met is None else round(met)

    def search(self, cell: Cell) -> Search:
        """The most load that meets the SLO, with the least above it that was seen to miss it."""
        from llmbench.bench import SearchError

        self.require(cell)
        try:
            with self._written():
                return self._session.search(cell)
        except SearchError as error:
            message = str(error)
        pytest.fail(message, pytrace=False)

    def alternate(self, pairs: Sequence[tuple[Cell, Cell]], settled: Settled) -> Interleaving:
        """Measure cells of two models in turns, until all is settled."""
        from llmbench.servers import LaunchError

        for cell in (cell for pair in pairs for cell in pair):
            self.require(cell)
        try:
            with self._written():
                return self._session.alternate(pairs, settled)
        except (ConfigError, LaunchError) as error:
            message = str(error)
        pytest.fail(message, pytrace=False)

    def require(self, cell: Cell) -> None:
        """Skip the test unless this host can run the model under the cell's limits, and the cell's
        requests fit the model's context."""
        from llmbench.servers import unavailable

        model = self._session.models[cell.model]
        reason = unavailable(model, cell.limits)
        if reason is not None:
            self._state.skipped[cell.config_name] = reason
            pytest.skip(f"{cell.model}: {reason}")
        reason = self._state.too_long(cell)
        if reason is not None:
            self._state.skipped[cell.id] = reason
            pytest.skip(f"{cell.id}: {reason}")

    @contextmanager
    def _written(self) -> Iterator[None]:
        """End the session if a measurement can't be written, as those of later cells couldn't."""
        from llmbench.journal import disk_fault

        try:
            yield
        except OSError as error:
            fault = disk_fault(error)
            if fault is None:
                raise
            self._state.broken_off = True
        else:
            return
        pytest.exit(fault, returncode=pytest.ExitCode.TESTS_FAILED)


@pytest.fixture(scope="session")
def llm_run(pytestconfig: pytest.Config) -> RunDir:
    """The directory of this run."""
    return pytestconfig.stash[STATE].run_dir


@pytest.fixture(scope="session")
def llm_say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Shows a line to the user at once, past pytest's capturing."""
    return pytestconfig.stash[STATE].say


@pytest.fixture(scope="session")
def llm_servers(
    pytestconfig: pytest.Config, llm_run: RunDir, llm_say: Callable[[str], None]
) -> Iterator[Servers]:
    """Launches model servers, one at a time, and stops the last one when the session ends."""
    from llmbench.bench import Servers

    with Servers(llm_run, llm_say, seed=session_settings(pytestconfig).seed) as servers:
        yield servers


@pytest.fixture(scope="session")
def llm_prompts(pytestconfig: pytest.Config, llm_say: Callable[[str], None]) -> Shelf:
    """Prompts by tokenizer and length, built when first wanted and reused after."""
    from llmbench.bench import Shelf

    settings, served = session_settings(pytestconfig), pytestconfig.stash[STATE].served
    elsewhere = [] if served is None or served.counter is None else [served.counter]
    return Shelf(settings.prompts_dir, settings.prompt_source, llm_say, elsewhere)


@pytest.fixture(scope="session")
def llm_session(pytestconfig: pytest.Config, llm_servers: Servers, llm_prompts: Shelf) -> Session:
    """Measures all cells of the pytest session; its `results` are those that have ended."""
    return pytestconfig.stash[STATE].make_session(llm_servers, llm_prompts)


@pytest.fixture
def llm_bench(pytestconfig: pytest.Config, llm_session: Session) -> Bench:
    """Runs cells: ``result = llm_bench.run(cell)``, then ``assert result.valid, result.why``."""
    return Bench(llm_session, pytestconfig.stash[STATE])


@pytest.fixture
def llm_server(llm_bench: Bench, llm_session: Session, cell: Cell) -> RunningServer:
    """The running server of the test's cell, for a benchmark that asks it something itself."""
    llm_bench.require(cell)
    return llm_session.server(cell)


@pytest.fixture
def llm_replay(benchmark: Any, llm_session: Session) -> Replay:
    """Shows one metric of a cell that ran in this session as an entry of pytest-benchmark."""
    from llmbench.plugin.replay import extra_info, samples_s
    from llmbench.verdict import judged_cells

    def replay(cell: Cell, metric: str) -> None:
        results = llm_session.results.get(cell.id)
        if results is None:
            pytest.skip(f"{cell.id} was not measured in this session")
        rates = [r.summary.output_tokens_per_s or 0.0 for r in results]
        (judged,) = judged_cells(llm_session.run_dir, cell.id)
        samples = samples_s(metric, [digest.requests for digest in judged.repeats], rates)
        if not samples:
            pytest.skip(f"{cell.id} has no {metric}")
        benchmark.group = metric
        benchmark.extra_info.update(extra_info(results[-1].summary, metric))
        CLOCK.load(samples)
        benchmark.pedantic(lambda: None, rounds=len(samples), iterations=1)

    return replay


@pytest.fixture
def llm_gate(pytestconfig: pytest.Config, llm_session: Session) -> Gate:
    """Fails where a cell is worse than in the baseline; skips where that isn't decided yet."""
    state = pytestconfig.stash[STATE]

    def gate(cell: Cell) -> None:
        if cell.id not in llm_session.results:
            pytest.skip(f"{cell.id} was not measured in this session")
        from llmbench.verdict import lines

        verdict = state.verdict().of(cell.id)
        settle(verdict.failed, verdict.state == "PASS", "\n".join(lines(verdict)))

    return gate


@pytest.fixture
def llm_versus(pytestconfig: pytest.Config, llm_session: Session, llm_bench: Bench) -> Gate:
    """Measures all cells and their twins of the second model of ``--llm-ab``, in turns.

    It fails where the second is worse, and skips where more load would be needed to decide.
    """
    from llmbench.verdict import lines

    state = pytestconfig.stash[STATE]

    def against(cell: Cell) -> None:
        assert state.contest is not None, "llm_versus needs --llm-ab and a benchmark of kind ab"
        verdict = state.contest.of(cell, llm_bench, llm_session.run_dir)
        settle(verdict.failed, verdict.state == "PASS", "\n".join(lines(verdict)))

    return against


def settle(failed: bool, passed: bool, message: str) -> None:
    """End the test as a verdict says; one that is undecided is skipped, neither green nor red."""
    if failed:
        pytest.fail(message, pytrace=False)
    if not passed:
        pytest.skip(message)
