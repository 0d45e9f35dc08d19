"""A plan says how many replicas meet an SLO, what breaks first, and what they cost."""

import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from llmbench.cli import main
from llmbench.config import Slo
from llmbench.prices import TokenPrice
from llmbench.twin.answering import fleet_answer
from llmbench.twin.fleet.drawing import PassingEvent, Workload, draw
from llmbench.twin.fleet.replaying import Replicated, serve
from llmbench.twin.fleet.routing import Routing
from llmbench.twin.money import bill, break_even
from llmbench.twin.planning import Question, plan
from llmbench.twin.twin_file import FittedRange, Twin, write_twin
from llmbench.value_types import EngineSteps
from tests.processes import running_python

STEPS = EngineSteps(base_ms=10.0, ms_per_prompt_token=0.1, most_sequences=1)
"""One request at a time: 100 tokens in and 2 out take 20 ms and a step of 10 ms."""

SERVICE_MS = 30.0
LENGTHS = ((100, 2),)
RATE, LOW = 70.0, 25.0
TWIN = Twin(
    name="m",
    run="run",
    simulated=True,
    range=FittedRange((1, 8), (32, 128), (16, 64)),
    steps=STEPS,
    scatter=((1, 0.02, 0.02, 0.02),),
    leave_one_out=tuple((10.0, 0.0, 0.0, 0.1) for _ in range(8)),
)
LITTLE = ["--rate", "1", "--input-tokens", "100", "--output-tokens", "2"]
WITHIN = ["--slo", "ttft_ms.p95=200"]
SLO = Slo(ttft_ms={"p95": 40.0})


def fleet(replicas: int, routing: Routing = "round-robin") -> Replicated:
    return Replicated(STEPS, replicas, routing)


def workload(rate_per_s: float = RATE) -> Workload:
    return Workload(LENGTHS, rate_per_s)


def test_utilisation_is_the_load_over_the_capacity() -> None:
    """Poisson arrivals of rate λ on n queues of service S: ρ = λ S / n."""
    answer = fleet_answer(fleet(4), workload(), SLO)
    assert answer.utilisation == pytest.approx(RATE * SERVICE_MS / 1e3 / 4, rel=1e-3)
    assert answer.busy_share == pytest.approx(answer.utilisation, rel=0.05)
    assert (answer.input_tokens, answer.output_tokens) == (100, 2)


def test_one_replica_waits_as_queueing_theory_says() -> None:
    """M/D/1: the mean wait is ρ S / 2 (1 - ρ) (Pollaczek and Khinchine)."""
    rate, load = 20.0, 20.0 * SERVICE_MS / 1e3
    waits = [
        serve(fleet(1), draw(workload(rate), 20_000, seed)).ttft_ms.mean() - 20.0
        for seed in range(4)
    ]
    assert np.mean(waits) == pytest.approx(load * SERVICE_MS / 2 / (1 - load), rel=0.03)


def test_one_replica_less_misses_the_limit() -> None:
    planned = plan(TWIN, Question(workload(), SLO))
    assert planned.answer.meets_slo
    assert planned.one_less is not None
    assert planned.one_less.replicas == planned.answer.replicas - 1
    assert not planned.one_less.meets_slo
    assert planned.one_less.breaks_first.startswith("TTFT p95 ")
    assert planned.low <= planned.answer.replicas <= planned.high


def test_requests_of_different_lengths_wait_less_behind_least_requests() -> None:
    mixed = Workload(((100, 2), (100, 20)), 15.0)
    in_turn = fleet_answer(fleet(3), mixed, SLO).limits[0]
    to_the_free = fleet_answer(fleet(3, "least-requests"), mixed, SLO).limits[0]
    assert to_the_free.value_ms + 5 * to_the_free.error_ms < in_turn.value_ms


def test_what_is_not_clear_is_drawn_again_with_more_requests() -> None:
    clear = fleet_answer(fleet(4), workload(), SLO)
    at_the_limit = Slo(ttft_ms={"p95": clear.limits[0].value_ms})
    unclear = fleet_answer(fleet(4), workload(), at_the_limit)
    assert clear.is_clear
    assert unclear.requests > 3 * clear.requests


def test_the_busiest_hour_decides_and_others_need_less() -> None:
    mean = plan(TWIN, Question(workload(LOW), SLO))
    planned = plan(TWIN, Question(workload(LOW), SLO, peak=2.0))
    at_the_peak = plan(TWIN, Question(workload(2 * LOW), SLO))
    assert planned.answer == at_the_peak.answer
    assert mean.by_hour == ()
    assert planned.by_hour[12] == planned.answer.replicas
    assert planned.by_hour[6] == mean.answer.replicas
    assert planned.by_hour[0] == 1


def test_a_burst_and_a_lost_replica_need_more() -> None:
    steady = plan(TWIN, Question(workload(LOW), SLO))
    burst = structs.replace(workload(LOW), event=PassingEvent(30.0, factor=2.0))
    lost = structs.replace(workload(LOW), event=PassingEvent(30.0))
    assert plan(TWIN, Question(burst, SLO)).answer.replicas > steady.answer.replicas
    with_a_loss = plan(TWIN, Question(lost, SLO, lost=1)).answer
    assert with_a_loss.replicas == steady.answer.replicas + 1


def test_the_bill_is_that_of_all_replicas() -> None:
    cost = bill(fleet_answer(fleet(4), workload(), SLO), RATE, 0.5)
    assert (cost.per_hour, cost.per_month) == (2.0, 1460.0)
    assert cost.per_million_output == pytest.approx(2.0 / (2 * RATE * 3600) * 1e6)
    assert cost.per_million_input == pytest.approx(2.0 / (100 * RATE * 3600) * 1e6)


def test_an_api_costs_as_much_where_its_price_of_the_tokens_is_that_of_the_replicas() -> None:
    planned = plan(TWIN, Question(workload(), SLO))
    api = TokenPrice(1.0, 10.0, "2026-01-01", "nowhere")
    even = break_even(planned, 0.5, api)
    per_request = 100 * 1e-6 + 2 * 10e-6
    assert even.per_month == pytest.approx(RATE * per_request * 3600 * 730)
    assert even.rate_per_s * per_request * 3600 == pytest.approx(planned.answer.replicas * 0.5)
    share = even.rate_per_s * SERVICE_MS / 1e3 / planned.answer.replicas
    assert even.utilisation == pytest.approx(share, rel=1e-3)


def test_the_command_tells_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "twin.toml"
    write_twin(file, TWIN)
    asked = ["--rate", "70", "--input-tokens", "100", "--output-tokens", "2", "--price", "0.5"]
    assert main(["plan", str(file), *asked, "--slo", "ttft_ms.p95=40"]) == 0
    said = capsys.readouterr().out
    assert "70.0 requests/s (Poisson), round-robin routing" in said
    assert " replicas (" in said
    assert "breaks first, with one less: TTFT p95 " in said
    assert "for 1M output tokens, each bearing all of it" in said
    assert "more or less used:" in said
    trace = tmp_path / "trace.csv"
    trace.write_text("timestamp_s,input_tokens,output_tokens\n0,100,2\n1,100,2\n")
    asked = ["--rate", "1", "--traffic", str(trace)]
    assert main(["plan", str(file), *asked, "--slo", "latency_ms.p99=2000"]) == 0
    assert "1 replica (" in capsys.readouterr().out


def test_the_command_tells_events_caches_hours_and_an_api(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "twin.toml"
    write_twin(file, TWIN)
    asked = ["--rate", "2", "--slo", "latency_ms.p95=2000", "--traffic", "chat"]
    more = ["--prefix-cache", "5000", "--routing", "prefix-affinity", "--diurnal", "1.5"]
    money = ["--price", "aws-g5.xlarge", "--against", "openai-gpt-4o-mini", "--lose", "1,20"]
    assert main(["plan", str(file), *asked, *more, *money]) == 0
    said = capsys.readouterr().out
    assert "2.00 requests/s (Poisson) of chat, 3.00 at the busiest hour, 1 replica lost for" in said
    assert "prefix-affinity routing" in said
    assert "of the prompts' tokens were in a prefix cache" in said
    assert "by the hour: 2 to " in said
    assert "with as many as each hour needs: " in said
    assert "openai-gpt-4o-mini (prices of 2025-07-04) asks $" in said
    assert "break-even at " in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "1", "--slo", "ttft_ms.p95=200"], "give --traffic, or --input-tokens"),
        ([*LITTLE, "--slo", "ttft.p95=200"], "--slo: 'ttft.p95=200': "),
        (["--rate", "0", "--slo", "ttft_ms.p95=200"], "--rate is a number above 0"),
        ([*LITTLE, *WITHIN, "--diurnal", "3"], "--diurnal is the busiest hour over the mean one"),
        ([*LITTLE, *WITHIN, "--burst", "2,9", "--lose", "1,9"], "give --burst or --lose"),
        ([*LITTLE, *WITHIN, "--burst", "2"], "--burst: '2' is not two numbers; as in 3,60"),
        ([*LITTLE, *WITHIN, "--burst", "2,-1"], "--burst: '2,-1': both are numbers above 0"),
        ([*LITTLE, *WITHIN, "--lose", "1.5,9"], "--lose: '1.5,9': 1.5 is not a number of replicas"),
        ([*LITTLE, *WITHIN, "--prefix-cache", "0"], "--prefix-cache is a number of tokens above 0"),
        ([*LITTLE, *WITHIN, "--price", "-1"], "--price: US dollars an hour above 0"),
        ([*LITTLE, *WITHIN, "--price", "aws-g5.xlrge"], "did you mean 'aws-g5.xlarge'"),
        ([*LITTLE, *WITHIN, "--price", "gcp-n2"], "gcp-n2 is sold by cores and GiB: give a number"),
        ([*LITTLE, *WITHIN, "--against", "openai-gpt-4o"], "--against needs --price"),
        ([*LITTLE, *WITHIN, "--price", "1", "--against", "gpt"], "--against: no API 'gpt'"),
        ([*WITHIN, "--rate", "1", "--traffic", "tenants"], "tenants is a mix, of which a plan"),
        ([*WITHIN, "--rate", "1", "--traffic", "nosuch"], "traffic 'nosuch': "),
        (
            [*WITHIN, "--rate", "1", "--traffic", "replay"],
            "lengths only a server's tokenizer",
        ),
        (
            [*LITTLE, "--slo", "ttft_ms.p95=1"],
            "even 1 replica, idle for 97% of the time, miss the SLO: TTFT p95 ",
        ),
    ],
)
def test_what_can_not_be_planned_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "twin.toml"
    write_twin(file, TWIN)
    assert main(["plan", str(file), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_twin_is_served_over_http(tmp_path: Path) -> None:
    """A prompt of 25 tokens takes 10 + 0.1 · 25 ms, and no less, however late a server is."""
    file = tmp_path / "twin.toml"
    write_twin(file, TWIN)
    with running_python("-m", "llmbench.cli", "simulate", "--twin", str(file)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[3]
        body = json.dumps({"prompt": "x" * 100, "max_tokens": 2, "stream": True}).encode()
        with urllib.request.urlopen(f"{url}/v1/completions", body, timeout=10) as answer:
            answer.read()
        with urllib.request.urlopen(f"{url}/stats", timeout=10) as answer:
            truth = json.load(answer)
    prefill_ms, late_ms = truth["prefill_ms"]["mean"], truth["lateness_ms"]["max"]
    assert prefill_ms - late_ms <= 12.5 <= prefill_ms + 0.01
