"""Where the time went, as each engine tells it, held against the simulator's truth."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from msgspec import Struct, structs

from llmbench.cells import Limits, Users
from llmbench.config import ModelConfig, SimulatedServer, Slo
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.results import CellResult
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import Placement
from llmbench.simulator.scheduling.account import drafts_of, speculated
from llmbench.value_types import EngineSteps
from llmbench.verdict.validity import judge
from tests.load.serving import Load

NEAR_MS = 0.1  # what the parts may differ from the truth by
ON_A_BUSY_HOST_MS = 30  # between the server's write and the client's kernel, on average


WORDS = (
    "speculative decoding",
    "outside of the server's clock",
    "came together with later ones",
    "more time than passed",
)


class Measured(Struct, frozen=True):
    """A cell of 3 users on 2 slots, 4 requests of 8 tokens each."""

    requests: pd.DataFrame
    result: CellResult
    truth: dict[str, Any]

    def mean(self, name: str) -> float | None:
        """The mean of a column; None where it is not known."""
        known = self.requests[name].dropna()
        return float(known.mean()) if len(known) else None

    @property
    def notes(self) -> list[str]:
        """The cell's notes on what these tests are about."""
        return [note for note in self.result.notes if any(word in note for word in WORDS)]

    def true(self, name: str) -> float:
        return float(self.truth[name]["mean"])


Measure = Callable[..., Measured]


@pytest.fixture
def measure(tmp_path: Path) -> Iterator[Measure]:
    with ExitStack() as stack:

        def run(
            api: Any = "openai-completions",
            *,
            stream: bool = True,
            users: int = 3,
            requests: int = 4,
            tokens: int = 8,
            prompts: bool = False,
            **settings: Any,
        ) -> Measured:
            usual = {"ttft_ms": 20, "ms_per_token": 4, "slots": 2, "tells_times": True}
            model = ModelConfig(
                "sim", "Sim", "sim", api, "none", SimulatedServer(**usual | settings)
            )
            running = stack.enter_context(
                launch(
                    model, Limits(), log_dir=tmp_path, cores=Placement((), (), None), session="s"
                )
            )
            client = structs.replace(running.endpoint.client, stream=stream)
            endpoint = structs.replace(running.endpoint, client=client)
            load = Load(tmp_path)
            with httpx.Client(base_url=endpoint.base_url) as http:
                http.post("/stats/reset")
                done = load.keep(endpoint, Users(users, requests), output_tokens=tokens)
                truth = http.get("/stats").json()
            done = structs.replace(done, synthetic_prompts=prompts)
            rows = table(load.run.requests(done.cell_id))
            assert rows["ok"].all(), rows["error"]
            return Measured(rows, judge(summarise(done, rows), done, Slo()), truth)

        yield run


FULL = {"openai-completions": "vLLM", "openai-chat": "vLLM", "sglang": "SGLang"}


@pytest.mark.parametrize("api", FULL, ids=FULL.get)
@pytest.mark.parametrize("batching", ["spread", "beat"])
def test_engines_that_tell_all_parts(measure: Measure, api: str, batching: str) -> None:
    found = measure(api, batching=batching)
    assert found.true("queue_ms") > 5
    for ours, theirs in (
        ("server_queue_ms", "queue_ms"),
        ("server_prompt_ms", "prefill_ms"),
        ("server_decode_ms", "decode_ms"),
    ):
        assert found.mean(ours) == pytest.approx(found.true(theirs), abs=NEAR_MS)
    parts = found.requests
    ttft = parts["server_queue_ms"] + parts["server_prompt_ms"] + parts["ttft_unaccounted_ms"]
    assert ttft.to_list() == pytest.approx(parts["ttft_ms"].to_list())
    whole = parts[["server_queue_ms", "server_prompt_ms", "server_decode_ms", "unaccounted_ms"]]
    assert whole.sum(axis=1).to_list() == pytest.approx(parts["latency_ms"].to_list())
    for rest in ("ttft_unaccounted_ms", "unaccounted_ms"):
        assert -NEAR_MS < parts[rest].min() < 1  # the way back, which a busy host makes longer


def test_the_parts_of_an_engine_with_steps(measure: Measure) -> None:
    steps = EngineSteps(10, ms_per_sequence=1, ms_per_prompt_token=0.5, most_sequences=2)
    found = measure(steps=steps)
    assert found.true("queue_ms") > 5
    assert found.mean("server_queue_ms") == pytest.approx(found.true("queue_ms"), abs=NEAR_MS)
    assert found.mean("server_prompt_ms") == pytest.approx(found.true("prefill_ms"), abs=NEAR_MS)
    assert found.mean("server_decode_ms") == pytest.approx(found.true("decode_ms"), abs=NEAR_MS)


@pytest.mark.parametrize("stream", [True, False])
def test_an_engines_steps_take_what_they_cost(measure: Measure, stream: bool) -> None:
    steps = EngineSteps(10, ms_per_sequence=1, ms_per_prompt_token=0.5)
    found = measure(steps=steps, users=1, stream=stream)
    prompt_tokens = float(found.requests["input_tokens"].mean())
    late_ms = found.truth["lateness_ms"]["max"] if stream else ON_A_BUSY_HOST_MS
    assert found.true("queue_ms") == 0
    assert 0 <= found.true("prefill_ms") - (11 + 0.5 * prompt_tokens) <= late_ms + NEAR_MS
    assert found.true("decode_ms") == pytest.approx(7 * 11, abs=late_ms + NEAR_MS)


@pytest.mark.parametrize("api", ["llama.cpp", "ollama"])
def test_engines_that_tell_no_queue_leave_it_unaccounted_for(measure: Measure, api: str) -> None:
    found = measure(api)
    assert found.mean("server_prompt_ms") == pytest.approx(found.true("prefill_ms"), abs=NEAR_MS)
    assert found.mean("server_decode_ms") == pytest.approx(found.true("decode_ms"), abs=NEAR_MS)
    unaccounted = found.mean("ttft_unaccounted_ms")
    assert unaccounted is not None
    assert 0 < unaccounted - found.true("queue_ms") < ON_A_BUSY_HOST_MS
    queue = None if api == "llama.cpp" else 0.0  # Ollama's load of the model is told, its queue not
    assert found.mean("server_queue_ms") == queue


def test_tgi_tells_whole_milliseconds_of_what_is_not_streamed(measure: Measure) -> None:
    found = measure("tgi", stream=False)
    queue, total = found.mean("server_queue_ms"), found.mean("server_total_ms")
    assert queue is not None and total is not None
    parts = [found.true(name) for name in ("queue_ms", "prefill_ms", "decode_ms")]
    assert 0 <= parts[0] - queue < 1 + NEAR_MS
    assert 0 <= sum(parts) - total < 1 + NEAR_MS
    assert found.mean("server_prompt_ms") is found.mean("server_decode_ms") is None


def test_tgi_tells_nothing_in_a_stream(measure: Measure) -> None:
    found = measure("tgi")
    assert found.true("queue_ms") > 5
    told = ("server_queue_ms", "server_prompt_ms", "server_decode_ms", "server_total_ms")
    assert [found.mean(name) for name in told] == [None] * 4


def test_a_server_that_is_not_asked_to_tell_doesnt(measure: Measure) -> None:
    found = measure(tells_times=False)
    assert found.mean("server_queue_ms") is None
    assert found.true("queue_ms") > 5


# speculative decoding

THEORY = (1 - 0.7**5) / (1 - 0.7)  # 2.773 tokens a step, for k = 4 and p = 0.7


def test_drafts_are_accepted_as_the_theory_says() -> None:
    from random import Random

    sizes = speculated(100_000, 4, 0.7, Random(1))
    drafts = drafts_of(sizes, 4)
    assert sum(sizes) == 100_000
    assert 99_999 / drafts.steps == pytest.approx(THEORY, rel=0.01)
    assert drafts.accepted + drafts.steps == 99_999


@pytest.mark.parametrize("api", ["openai-completions", "openai-chat", "llama.cpp", "sglang"])
def test_the_accepted_length_is_the_theorys(measure: Measure, api: str) -> None:
    drafting = {"draft_tokens": 4, "draft_acceptance": 0.7, "ms_per_token": 0.5, "slots": 8}
    found = measure(api, users=4, requests=5, tokens=1000, **drafting)
    summary, drafts = found.result.summary, found.truth["drafts"]
    assert summary.accepted_length == pytest.approx(THEORY, rel=0.01)
    assert summary.draft_acceptance == pytest.approx(drafts["accepted"] / drafts["drafted"], 0.01)
    assert found.requests["accepted_tokens"].sum() == drafts["accepted"]
    assert found.requests["drafted_tokens"].sum() == drafts["drafted"]
    assert found.requests["output_tokens"].eq(1000).all()
    assert found.requests["token_events"].sum() == drafts["steps"] + 20


def test_a_note_says_what_biases_acceptance(measure: Measure) -> None:
    found = measure(prompts=True, draft_tokens=2, draft_acceptance=1.0, tokens=7)
    assert found.notes == [
        "speculative decoding: 3.00 tokens a step, 100% of the drafts accepted; the prompts are "
        "synthetic and the model is told to ignore its end, which biases acceptance",
    ]


def test_a_server_that_doesnt_tell_has_no_accepted_length(measure: Measure) -> None:
    found = measure(tells_times=False, draft_tokens=4, tokens=32)
    assert found.result.summary.accepted_length is None
    assert not found.notes


# on the way


@pytest.mark.parametrize("api", ["openai-completions", "sglang", "llama.cpp"])
@pytest.mark.parametrize("fault", ["proxy-holds-all", "proxy-holds-eight"])
def test_a_proxy_that_buffers(measure: Measure, api: str, fault: str) -> None:
    found = measure(api, fault=fault, tokens=24, ms_per_token=20, users=2)
    (note,) = found.notes
    assert "% of the token events came together with later ones" in note
    assert "a proxy or the server's own front end holds them back" in note
    assert re.search(r"clock has (19|20)\.\d ms between tokens", note)


@pytest.mark.parametrize("api", ["openai-completions", "sglang", "ollama"])
def test_a_gateway_that_adds_time(measure: Measure, api: str) -> None:
    found = measure(api, fault="gateway-40ms", slots=8, requests=8)
    (note,) = found.notes
    assert re.match(r"4\d\.\d ms of each request \(4\d\.\d to ", note)
    assert "pass outside of the server's clock" in note


@pytest.mark.parametrize("api", ["openai-completions", "sglang", "llama.cpp", "ollama"])
def test_a_wrong_clock(measure: Measure, api: str) -> None:
    found = measure(api, fault="fast-clock", slots=8)
    (note,) = found.notes
    assert note.startswith("in 100% of the requests the server tells more time than passed here")
    assert "its clock is wrong, or it counts something else" in note


@pytest.mark.parametrize("api", ["openai-completions", "sglang", "llama.cpp", "ollama", "tgi"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"slots": 8}, {"jitter": 0.3}, {"fault": "many-tokens-per-event"}, {"draft_tokens": 0}],
    ids=["queue", "no queue", "jitter", "several tokens", "no drafts"],
)
def test_nothing_lies_on_a_clear_way(measure: Measure, api: str, settings: dict[str, Any]) -> None:
    assert not measure(api, **settings).notes
