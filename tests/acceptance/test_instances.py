"""Several instances of a server that share a load: launched here, or run by somebody else."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import psutil
import pytest

from llmbench.results import CellResult
from llmbench.store import RunDir
from llmbench.verdict.judging import results
from tests.acceptance.conftest import MODEL
from tests.acceptance.test_died import wait_for_load
from tests.processes import running_python

TWINS = MODEL.replace("[grid]", "instances = 2\n\n[grid]")


def run_of(suite: pytest.Pytester) -> RunDir:
    (path,) = (p for p in (suite.path / "reports" / "runs").iterdir() if not p.is_symlink())
    return RunDir.open(path)


def requests_by_user(run: RunDir, cell: str) -> dict[int, set[int]]:
    """The instances that the requests of each user went to, by the file for users."""
    rows = pd.read_csv(run.requests_file(cell))
    return {int(str(user)): set(of["replica"]) for user, of in rows.groupby("user")}


def test_users_are_dealt_to_the_instances_in_turn(
    suite: pytest.Pytester, add_model: Callable[[str, str], Path]
) -> None:
    add_model("twins", TWINS)
    suite.runpytest_inprocess("-k", "twins and test_grid and users3", "--llm-users", "3")
    run = run_of(suite)
    assert requests_by_user(run, "twins-in16-out8-users3") == {1: {0}, 2: {1}, 3: {0}}
    (result,) = results(run)
    first, second = result.summary.replicas
    assert (first.requests, second.requests) == (6, 3)
    assert result.valid, result.why
    whole = result.summary.output_tokens_per_s
    assert whole is not None
    parts = [first.output_tokens_per_s or 0.0, second.output_tokens_per_s or 0.0]
    assert sum(parts) == pytest.approx(whole)
    (cell,) = run.cell_runs()
    assert [replica.launch.kind for replica in cell.endpoint.replicas] == ["simulated"] * 2
    assert len({replica.base_url for replica in cell.endpoint.replicas}) == 2


SIZING = """
import pytest

@pytest.mark.llm("sizing")
def test_sizing(llm_bench, cell):
    llm_bench.fits(cell)
"""

SLOTS = MODEL.replace(
    "[grid]",
    'slots = 2\n\n[price]\nusd_per_hour = 1\nregion = "r"\n'
    'date = "2026-11-01"\nsource = "s"\n\n[grid]\ninstances = [1, 2]',
)


def test_instances_are_swept_and_the_ideal_number_is_named(
    suite: pytest.Pytester, add_model: Callable[[str, str], Path]
) -> None:
    add_model("slots", SLOTS)
    suite.makepyfile(test_sizing=SIZING)
    chosen = ("-k", "slots and test_sizing", "--llm-users", "4", "--llm-requests", "3")
    outcome = suite.runpytest_inprocess(*chosen)
    run = run_of(suite)
    names = [f"slots-instances{n}-in16-out8-users4" for n in (1, 2)]
    assert [cell.cell_id for cell in run.cell_runs()] == names
    assert [len(cell.endpoint.replicas) for cell in run.cell_runs()] == [1, 2]
    one, two = (found.summary.output_tokens_per_s or 0.0 for found in results(run))
    assert two == pytest.approx(2 * one, rel=0.15)  # two slots for four users, then four
    outcome.stdout.re_match_lines(
        [
            r"^ *instances +memory +out tokens/s +per core .*",
            r"^ *1 +- +[\d.]+ .*IDEAL",
            r"^ *2 +- +[\d.]+ .*",
            r"^ideal: 1 instance \(valid, fits and meets the SLO; of these: fewest cores in .*",
            r"^more instances paid up to 2, the most tried",
        ]
    )


def test_an_instance_that_is_killed_makes_the_cell_invalid_by_its_number(
    suite: pytest.Pytester, add_model: Callable[[str, str], Path]
) -> None:
    add_model("twins", TWINS)
    chosen = ("-k", "twins and test_grid and users2", "--llm-users", "2", "--llm-requests", "15")
    with running_python("-m", "pytest", *chosen, cwd=suite.path) as process:
        wait_for_load(suite.path / "reports" / "runs")
        servers = psutil.Process(process.pid).children()
        assert len(servers) == 2
        max(servers, key=lambda server: server.create_time()).kill()
        process.communicate(timeout=60)
    (result,) = results(run_of(suite))
    died = next(problem for problem in result.problems if problem.rule == "server_died")
    assert "in the middle of the cell: instance 2 of 2: " in died.message


@pytest.fixture
def urls() -> Iterator[tuple[str, str]]:
    """Where two simulated servers of other processes listen, of which the second is slow."""
    with ExitStack() as stack:
        found = []
        for ttft_ms in ("10", "200"):
            arguments = ("-m", "llmbench.cli", "simulate", "--ttft-ms", ttft_ms)
            process = stack.enter_context(running_python(*arguments))
            assert process.stdout is not None
            found.append(process.stdout.readline().split()[3])
        yield found[0], found[1]


def measure(suite: pytest.Pytester, urls: str, *arguments: str) -> CellResult:
    """The result of two users with 6 requests each, at `urls`."""
    suite.runpytest_inprocess(
        *("-k", "test_grid", "--llm-url", urls, "--llm-model", "m", "--llm-users", "2"),
        *("--llm-tokenizer", "tokenizer.json", "--llm-requests", "6", "--llm-input-tokens", "16"),
        *("--llm-output-tokens", "4", *arguments),
    )
    (result,) = results(run_of(suite))
    return result


def test_several_urls_are_one_server(suite: pytest.Pytester, urls: tuple[str, str]) -> None:
    result = measure(suite, ",".join(urls))
    assert [part.url for part in result.summary.replicas] == list(urls)
    assert [part.requests for part in result.summary.replicas] == [6, 6]


def test_the_least_busy_instance_gets_more(suite: pytest.Pytester, urls: tuple[str, str]) -> None:
    result = measure(suite, ",".join(urls), "--llm-deal", "least busy")
    fast, slow = result.summary.replicas
    assert fast.requests + slow.requests == 12
    assert fast.requests > slow.requests


def test_a_way_to_deal_that_is_unknown(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("--llm-deal", "by lot")
    result.stderr.fnmatch_lines(["*--llm-deal: 'by lot' is neither round robin nor least busy"])
