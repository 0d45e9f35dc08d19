"""A plan says how many replicas meet an SLO, what breaks first, and what they cost."""

import json
import urllib.request
from pathlib import Path

import pytest

from llmbench.cli import main
from llmbench.config import Slo
from llmbench.twin.fleet import Fleet, TrafficRequest
from llmbench.twin.planning import bill, fleet_answer, plan, traffic
from llmbench.twin.twin_file import FittedRange, Twin, write_twin
from llmbench.value_types import EngineSteps
from tests.processes import running_python

STEPS = EngineSteps(base_ms=10.0, ms_per_prompt_token=0.1, most_sequences=1)
"""One request at a time: 100 tokens in and 2 out take 20 ms and a step of 10 ms."""

SERVICE_MS = 30.0
LENGTHS = ((100, 2),)
RATE = 70.0
TWIN = Twin(
    name="m",
    run="run",
    simulated=True,
    together=1.0,
    range=FittedRange((1, 8), (32, 128), (16, 64)),
    steps=STEPS,
    scatter=(0.02, 0.02, 0.02),
    leave_one_out=tuple((10.0, 0.0, 0.0, 0.1) for _ in range(8)),
)
LITTLE = ["--rate", "1", "--input-tokens", "100", "--output-tokens", "2"]
SLO = Slo(ttft_ms={"p95": 40.0})


def test_a_replica_serves_one_after_the_other() -> None:
    arrivals = [TrafficRequest(at_ms, 100, 2) for at_ms in (0.0, 50.0, 60.0, 500.0, 1000.0)]
    served = Fleet(STEPS, 1, "round-robin").serve(arrivals)
    assert served.ttft_ms.tolist() == pytest.approx([20.0, 40.0, 20.0, 20.0])
    assert served.latency_ms[1] == pytest.approx(20.0 + SERVICE_MS)
    assert served.time_per_token_ms.tolist() == pytest.approx([10.0] * 4)
    assert served.busy_share == pytest.approx(4 * SERVICE_MS / 1000)


def test_round_robin_deals_in_turn_and_least_requests_to_the_free_one() -> None:
    arrivals = [TrafficRequest(at, 100, out) for at, out in ((0, 100), (1, 2), (100, 2), (200, 2))]
    in_turn = Fleet(STEPS, 2, "round-robin").serve(arrivals)
    to_the_free = Fleet(STEPS, 2, "least-requests").serve(arrivals)
    assert in_turn.ttft_ms[1] > 900
    assert to_the_free.ttft_ms[1] == pytest.approx(20.0)


def test_the_same_traffic_for_the_same_seed() -> None:
    assert traffic(LENGTHS, 5.0, 50, 1) == traffic(LENGTHS, 5.0, 50, 1)
    assert traffic(LENGTHS, 5.0, 50, 1) != traffic(LENGTHS, 5.0, 50, 2)


def test_utilisation_is_the_load_over_the_capacity() -> None:
    """Poisson arrivals of rate λ on n queues of service S: ρ = λ S / n."""
    answer = fleet_answer(STEPS, 4, LENGTHS, RATE, SLO, "round-robin")
    assert answer.utilisation == pytest.approx(RATE * SERVICE_MS / 1e3 / 4, rel=1e-3)
    assert answer.busy_share == pytest.approx(answer.utilisation, rel=0.05)
    assert answer.output_tokens_per_s == pytest.approx(2 * RATE, rel=0.05)


def test_one_replica_less_misses_the_limit() -> None:
    planned = plan(TWIN, LENGTHS, RATE, SLO, "round-robin")
    assert planned.answer.meets_slo
    assert planned.one_less is not None
    assert planned.one_less.replicas == planned.answer.replicas - 1
    assert not planned.one_less.meets_slo
    assert planned.one_less.breaks_first.startswith("TTFT p95 ")
    assert planned.low <= planned.answer.replicas <= planned.high


def test_requests_of_different_lengths_wait_less_behind_least_requests() -> None:
    mixed = ((100, 2), (100, 20))
    in_turn = fleet_answer(STEPS, 3, mixed, 15.0, SLO, "round-robin").limits[0]
    to_the_free = fleet_answer(STEPS, 3, mixed, 15.0, SLO, "least-requests").limits[0]
    assert to_the_free.value_ms + 5 * to_the_free.error_ms < in_turn.value_ms


def test_the_bill_is_that_of_all_replicas() -> None:
    answer = fleet_answer(STEPS, 4, LENGTHS, RATE, SLO, "round-robin")
    cost = bill(answer, 0.5)
    assert (cost.per_hour, cost.per_month) == (2.0, 1460.0)
    assert cost.per_million_output == pytest.approx(2.0 / (2 * RATE * 3600) * 1e6, rel=0.05)


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
    trace = tmp_path / "trace.csv"
    trace.write_text("timestamp_s,input_tokens,output_tokens\n0,100,2\n1,100,2\n")
    asked = ["--rate", "1", "--traffic", str(trace)]
    assert main(["plan", str(file), *asked, "--slo", "latency_ms.p99=2000"]) == 0
    assert "1 replica (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "1", "--slo", "ttft_ms.p95=200"], "give --traffic FILE, or --input-tokens"),
        ([*LITTLE, "--slo", "ttft.p95=200"], "--slo: 'ttft.p95=200': "),
        (["--rate", "0", "--slo", "ttft_ms.p95=200"], "--rate and --price are numbers above 0"),
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
