"""The client hangs up: on exactly the share asked for, at the moment asked for, and as itself."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmbench.cells import Arrivals, Cell, Shape, Users
from llmbench.config import SimulatedServer
from llmbench.load.cell import run_cell
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import RequestRecord
from llmbench.results import CellSummary
from llmbench.servers import GaugeWatch
from llmbench.store import RunDir
from llmbench.traffic import HangUps, Lengths
from llmbench.verdict import hang_ups_said
from tests.load.conftest import simulating
from tests.load.serving import endpoint
from tests.load.test_mix import prompts
from tests.metrics.making import cell_run

Simulate = Callable[..., str]


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Simulate]:
    """Starts a server with 20 ms to the first token and then a token every 5 ms."""
    running = []

    def simulate(**fields: Any) -> str:
        config = SimulatedServer(ttft_ms=20, ms_per_token=5, **fields)
        running.append(simulating(config, tmp_path))
        return next(running[-1])

    yield simulate
    for one in running:
        next(one, None)


def run(
    path: Path, url: str, shape: Shape, hang_ups: HangUps, tokens: int = 40, **options: Any
) -> tuple[list[RequestRecord], CellSummary]:
    """The measured requests, and the summary with the gauges that were read meanwhile."""
    traffic, gauges = Lengths("hanging", 8, tokens, hang_ups=hang_ups), list[Any]()
    cell, folder = Cell("sim", 0, 0, shape, traffic=traffic), RunDir(path / "run")
    watch = GaugeWatch("sim", [endpoint(url)], gauges.append)
    known: dict[str, Any] = {"repeat": 1, "seed": 1, "prompts_sha256": "x", "warmup_per_user": 0}
    httpx.post(f"{url}/stats/reset")
    with watch.during(cell.id, 1, period_s=0.03):
        what: dict[str, Any] = {"run": folder, "material": prompts(8)} | known | options
        done = run_cell(cell, endpoint(url), (), **what)
    watch.close()
    records = list(folder.requests(cell.id))
    return records, summarise(done, table(records), gauges=gauges)


AFTER_3 = HangUps(0.25, after_tokens=3)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("shape", [Users(4, 6), Arrivals(60.0, "constant", requests=24)])
def test_a_share_is_hung_up_and_neither_succeeds_nor_fails(
    simulate: Simulate, tmp_path: Path, shape: Shape, workers: int
) -> None:
    url = simulate()
    records, summary = run(tmp_path, url, shape, AFTER_3, workers=workers)
    hung_up = [record for record in records if record.error_kind == "hung_up"]
    assert len(hung_up) == 6
    assert {record.error for record in hung_up} == {
        "the client hung up after 3 tokens, as its traffic asks"
    }
    assert all(3 <= len(record.event_ns) < 40 for record in hung_up)
    assert (summary.hung_up, summary.requests, summary.succeeded) == (6, 18, 18)
    assert (summary.failed, summary.error_rate, summary.errors) == (0, 0.0, {})
    assert summary.output_tokens is not None and summary.output_tokens.min == 40
    assert httpx.get(f"{url}/stats").json()["outcomes"] == {"ok": 18, "gone": 6}


def test_which_ones_does_not_depend_on_the_number_of_workers(
    simulate: Simulate, tmp_path: Path
) -> None:
    url = simulate()
    alone, _ = run(tmp_path / "1", url, Users(5, 4), AFTER_3)
    shared, _ = run(tmp_path / "4", url, Users(5, 4), AFTER_3, workers=4)
    who = [{(r.user, r.request) for r in some if r.error_kind} for some in (alone, shared)]
    assert len(who[0]) == 5 and who[0] == who[1]


def test_the_client_hangs_up_after_a_time(simulate: Simulate, tmp_path: Path) -> None:
    records, _ = run(tmp_path, simulate(), Users(2, 4), HangUps(0.5, after_ms=60))
    hung_up = [record for record in records if record.error_kind == "hung_up"]
    assert len(hung_up) == 4
    for record in hung_up:
        assert record.sent_ns is not None
        assert 60e6 <= record.done_ns - record.sent_ns < 120e6
        assert record.error == "the client hung up after 60 ms, as its traffic asks"


def test_before_the_first_token_there_is_nothing_of_an_answer(
    simulate: Simulate, tmp_path: Path
) -> None:
    records, _ = run(tmp_path, simulate(), Users(1, 2), HangUps(0.5, after_ms=5))
    (hung_up,) = [record for record in records if record.error_kind == "hung_up"]
    assert (hung_up.first_token_ns, hung_up.event_ns) == (None, ())


def test_an_answer_that_is_over_by_then_is_a_success(simulate: Simulate, tmp_path: Path) -> None:
    records, _ = run(tmp_path, simulate(), Users(1, 4), HangUps(1.0, after_ms=5000), tokens=3)
    assert all(record.ok for record in records)


def test_the_gauge_shows_that_the_server_let_go(simulate: Simulate, tmp_path: Path) -> None:
    _, summary = run(tmp_path, simulate(), Users(4, 4), AFTER_3, tokens=200)
    assert (summary.let_go, summary.let_go_by) == (True, "gauge")
    (said,) = hang_ups_said(summary)
    assert said.startswith("the client hung up on 4 of 16 requests: the server let go of them (")


def test_the_gauge_shows_that_it_did_not(simulate: Simulate, tmp_path: Path) -> None:
    url = simulate(fault="ignores-hang-ups")
    _, summary = run(tmp_path, url, Users(4, 4), AFTER_3, tokens=200)
    assert (summary.let_go, summary.let_go_by) == (False, "gauge")
    assert summary.orphans_seen == pytest.approx(summary.orphans_expected, rel=0.25)
    (said,) = hang_ups_said(summary)
    assert "the server did NOT let go of them: in " in said
    assert httpx.get(f"{url}/stats").json()["outcomes"]["unheard"] > 0


@pytest.mark.parametrize(
    ("users", "fault", "let_go"), [(1, None, None), (3, None, None), (1, "ignores-hang-ups", False)]
)
def test_without_a_gauge_slower_requests_show_that_it_did_not(
    simulate: Simulate, tmp_path: Path, fault: str | None, let_go: bool | None, users: int
) -> None:
    url, shape = simulate(slots=users, fault=fault), Users(users, 24)
    records, _ = run(tmp_path, url, shape, AFTER_3, tokens=24)
    cell = Cell("sim", 0, 0, shape, traffic=Lengths("hanging", 8, 24, hang_ups=AFTER_3))
    summary = summarise(cell_run(cell=cell, cell_id=cell.id), table(records))
    assert summary.let_go is let_go
    (said,) = hang_ups_said(summary)
    assert ("nothing shows that it went on: requests sent while" in said) is (let_go is None)
    assert ("does NOT seem to have let go of them: requests sent while" in said) is (
        let_go is False
    )


def test_short_answers_leave_it_open(simulate: Simulate, tmp_path: Path) -> None:
    _, summary = run(tmp_path, simulate(), Users(2, 2), AFTER_3, tokens=5)
    assert summary.let_go is None
    (said,) = hang_ups_said(summary)
    assert "is not known, as no reading of its gauge tells" in said
