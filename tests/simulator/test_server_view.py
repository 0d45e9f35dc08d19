"""The simulator's ``/metrics`` around a cell, held against its own truth at ``/stats``."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from llmbench.cells import Limits, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import Endpoint
from llmbench.results import CellSummary
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import Placement
from llmbench.servers.readiness.metrics_page import read_histograms, sums_since
from tests.load.serving import Load

Truth = dict[str, Any]
Measure = Callable[..., tuple[CellSummary, Truth]]


@pytest.fixture
def measure(tmp_path: Path) -> Iterator[Measure]:
    """A cell of 2 users, a warm-up and 3 requests each, on a simulator with these settings."""
    with ExitStack() as stack:

        def run(stream: bool = True, **settings: Any) -> tuple[CellSummary, Truth]:
            server = SimulatedServer(**{"ttft_ms": 20, "ms_per_token": 4} | settings)
            model = ModelConfig("sim", "Simulated", "sim", "openai-completions", "none", server)
            running = stack.enter_context(
                launch(
                    model, Limits(), log_dir=tmp_path, cores=Placement((), (), None), session="s"
                )
            )
            client = structs.replace(running.endpoint.client, stream=stream)
            return measured(structs.replace(running.endpoint, client=client), Load(tmp_path))

        yield run


def measured(where: Endpoint, load: Load) -> tuple[CellSummary, Truth]:
    with httpx.Client(base_url=where.base_url) as http:
        http.post("/stats/reset")
        before = read_histograms(where)
        cell_run = load.keep(where, Users(2, 3), warmup_per_user=1)
        done = structs.replace(cell_run, server_sums=sums_since(before, where))
        records = list(load.run.requests(done.cell_id))
        return summarise(done, table(records)), http.get("/stats").json()


def own_truth(found: CellSummary, truth: Truth, tokens_later: int) -> None:
    """The server's means are its truth, to the digits that its page has."""
    assert found.succeeded + found.warmup == truth["ttft_ms"]["n"] == 8
    assert found.server_ttft_mean_ms == pytest.approx(truth["ttft_ms"]["mean"], rel=1e-6)
    decode_ms = truth["itl_ms"]["mean"] * truth["itl_ms"]["n"]
    assert found.server_time_per_token_mean_ms == pytest.approx(decode_ms / tokens_later, rel=1e-6)
    assert found.ttft_difference_ms is not None
    assert found.ttft_difference_ms > 0
    assert found.time_per_token_difference_ms is not None


@pytest.mark.parametrize("batching", ["spread", "beat"])
@pytest.mark.parametrize("settings", [{}, {"jitter": 0.2}, {"slots": 1}])
def test_means_are_the_truth(measure: Measure, batching: str, settings: dict[str, Any]) -> None:
    found, truth = measure(batching=batching, **settings)
    assert truth["itl_ms"]["n"] == 8 * 7
    own_truth(found, truth, tokens_later=8 * 7)


def test_events_of_several_tokens(measure: Measure) -> None:
    found, truth = measure(fault="many-tokens-per-event")
    assert truth["itl_ms"]["n"] == 8 * 2  # 8 tokens are events of 3, 3 and 2
    own_truth(found, truth, tokens_later=8 * 5)


def test_events_that_share_a_write_are_not_counted_as_we_do(measure: Measure) -> None:
    found, truth = measure(fault="several-events-per-write")
    assert truth["itl_ms"]["n"] == 8
    assert found.server_time_per_token_mean_ms is None
    assert found.time_per_token_difference_ms is None


def test_without_a_stream_the_simulator_has_no_histograms(measure: Measure) -> None:
    found, truth = measure(stream=False)
    assert truth["outcomes"] == {"ok": 8}
    assert found.server_ttft_mean_ms is found.ttft_difference_ms is None
