"""Files of tools that know no tokens, whose user's code keeps the figures: Locust and k6.

Locust's file was written by the judge's recipe on a simulated server, whose first token took
200 ms and each further one 20 ms; k6's is as its documentation describes it.
"""

import json
from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.interchange.client_results import read_result
from llmbench.interchange.tools import read_tool_file

LOCUST = Path(__file__).parent / "data" / "locust-a1.json"
K6 = {
    "state": {"isStdErrTTY": False, "isStdOutTTY": False, "testRunDurationMs": 2500.0},
    "metrics": {
        "iterations": {"type": "counter", "contains": "default", "values": {"count": 12}},
        "failed_requests": {"type": "counter", "values": {"count": 2}},
        "output_tokens": {"type": "counter", "values": {"count": 320}},
        "ttft_ms": {
            "type": "trend",
            "values": {"avg": 206.0, "med": 205.0, "p(95)": 220.0, "p(99)": 222.0},
        },
        "time_per_token_ms": {"type": "trend", "values": {"avg": 20.0, "med": 20.0}},
        "iteration_duration": {"type": "trend", "values": {"avg": 826.0, "med": 825.0}},
    },
}


def test_locust_tells_what_its_user_reported() -> None:
    tool, read = read_tool_file(LOCUST)
    (cell,) = read.measurements
    assert tool.name == "Locust"
    assert (cell.asked, cell.succeeded, cell.output_tokens) == (8, 8, 32)
    assert (cell.ttft.p50, cell.ttft.p99, cell.time_per_token.p99) == (200, 220, 20)
    assert cell.ttft.mean == pytest.approx(209.09, abs=0.01)
    assert (cell.latency.p50, cell.output_tokens_per_s, cell.duration_s) == (830, None, None)


def test_a_locust_user_without_a_ttft_is_refused(tmp_path: Path) -> None:
    entries = json.loads(LOCUST.read_text(encoding="utf-8"))[:1]
    path = tmp_path / "stats.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_tool_file(path)
    assert str(caught.value) == (
        f"{path}: Locust: name: no requests called 'TTFT' beside the requests themselves"
    )


def test_k6_tells_what_its_script_kept(tmp_path: Path) -> None:
    path = tmp_path / "k6.json"
    path.write_text(json.dumps(K6), encoding="utf-8")
    result = read_result(path)
    cell = result.measurement
    assert result.tool == "k6"
    assert (cell.asked, cell.succeeded, cell.output_tokens) == (12, 10, 32)
    assert (cell.ttft.p50, cell.ttft.p99, cell.time_per_token.p50) == (205, 222, 20)
    assert (cell.time_per_token.p99, cell.output_tokens_per_s) == (None, 128)


def test_a_client_leaves_one_load(tmp_path: Path) -> None:
    data = json.loads((LOCUST.parent / "guidellm-a1.json").read_text(encoding="utf-8"))
    data["benchmarks"] *= 2
    path = tmp_path / "two.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"two\.json: GuideLLM: it holds 2 loads, not one"):
        read_result(path)
