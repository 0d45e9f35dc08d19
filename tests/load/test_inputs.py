"""Requests with a result for each of several inputs, and no tokens out."""

import pytest

from llmbench.cells import Users
from llmbench.metrics import summarise, table
from llmbench.verdict.gate.samples.compared_figures import compared
from tests.load.serving import PROMPTS, Load, endpoint


@pytest.mark.parametrize("api", ["openai-embeddings", "rerank"])
def test_what_is_known_of_them_and_what_is_empty(api: str, simulator: str, load: Load) -> None:
    run = load.keep(endpoint(simulator, api), Users(2, 4), output_tokens=0, inputs=5)
    summary = summarise(run, table(load.run.requests()))
    assert (summary.succeeded, summary.failed) == (8, 0)
    assert summary.inputs_per_s == pytest.approx(5 * (summary.requests_per_s or 0))
    assert summary.latency_ms is not None and summary.latency_ms.n == summary.in_window
    assert summary.input_tokens_per_s
    nothing = (summary.ttft_ms, summary.time_per_token_ms, summary.output_tokens_per_s)
    assert nothing == (None, None, None)
    assert (summary.input_length_hit_rate is None) == (api == "rerank")  # its server alone counts
    assert summary.output_length_hit_rate is None


def test_no_two_requests_share_an_input_until_all_are_used(simulator: str, load: Load) -> None:
    run = load.keep(endpoint(simulator, "openai-embeddings"), Users(2, 5), inputs=5)
    assert (run.prompts_sent, run.prompts_reused) == (len(PROMPTS), 0)
    assert not run.notes
    again = load.keep(endpoint(simulator, "openai-embeddings"), Users(2, 5), inputs=6)
    assert any("prompts repeat" in note for note in again.notes)


def test_the_gate_compares_their_latency_and_inputs(simulator: str, load: Load) -> None:
    run = load.keep(endpoint(simulator, "openai-embeddings"), Users(1, 4), inputs=2)
    figures = compared(summarise(run, table(load.run.requests())))
    assert set(figures) == {"latency", "latency_p95", "inputs_per_s"}
