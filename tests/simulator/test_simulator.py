"""The simulator as a process, spoken to by an ordinary HTTP client."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from llmbench.cells import Limits
from llmbench.config import ConfigError, ModelConfig, SimulatedServer
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place
from llmbench.servers.running import RunningServer
from llmbench.simulator import serve
from llmbench.simulator.faults import HEADER
from tests.processes import running_python

ASK = {"prompt": "Hello", "max_tokens": 5, "stream": True}


def model(**settings: Any) -> ModelConfig:
    server = SimulatedServer(**{"ttft_ms": 20, "ms_per_token": 4} | settings)
    return ModelConfig("sim", "Simulated", "tiny", "openai-completions", "none", server)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningServer]:
    with launch(model(), Limits(), log_dir=tmp_path, cores=place(1), session="s") as server:
        yield server


@pytest.fixture
def http(running: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.endpoint.base_url) as client:
        client.post("/stats/reset")
        yield client


def test_a_launch_is_stamped_as_simulated(running: RunningServer) -> None:
    endpoint = running.endpoint
    assert (endpoint.simulated, endpoint.launch.kind) == (True, "simulated")
    assert endpoint.launch.server_info["info.ttft_ms"] == 20
    assert psutil.Process(endpoint.launch.pid).cpu_affinity() == list(place(1).server)
    assert running.sample() is not None


def test_nothing_is_left_after_the_launch(tmp_path: Path) -> None:
    with launch(model(), Limits(), log_dir=tmp_path, cores=place(1), session="s") as server:
        process = psutil.Process(server.endpoint.launch.pid)
        assert process.is_running()
    assert not process.is_running()


def test_the_truth_is_what_was_asked_for(http: httpx.Client) -> None:
    for _ in range(4):
        http.post("/v1/completions", json=ASK)
    stats = http.get("/stats").json()
    assert (stats["requests"], stats["outcomes"], stats["tokens"]) == (4, {"ok": 4}, 20)
    assert (stats["running"], stats["waiting"]) == (0, 0)
    assert stats["ttft_ms"]["n"] == 4
    assert stats["itl_ms"]["n"] == 16
    late = stats["lateness_ms"]
    assert 20 <= stats["ttft_ms"]["p50"] <= 20 + late["max"]
    assert stats["itl_ms"]["mean"] == pytest.approx(4, abs=late["max"])


def test_a_stream_brings_a_token_an_event(http: httpx.Client) -> None:
    text = http.post("/v1/completions", json=ASK).text
    assert text.count('"finish_reason":null') == 4
    assert text.count('"finish_reason":"length"') == 1
    assert text.endswith("data: [DONE]\n\n")


def test_what_is_not_streamed_has_no_time_to_first_token(http: httpx.Client) -> None:
    answer = http.post("/v1/completions", json=ASK | {"stream": False})
    assert answer.json()["usage"]["completion_tokens"] == 5
    assert answer.elapsed.total_seconds() >= 0.036
    stats = http.get("/stats").json()
    assert (stats["tokens"], stats["ttft_ms"]) == (5, None)


def test_several_requests_in_one_connection(http: httpx.Client) -> None:
    ports = set()
    for _ in range(3):
        answer = http.post("/v1/completions", json=ASK)
        ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(ports) == 1


def test_metrics_have_vllms_names(http: httpx.Client) -> None:
    http.post("/v1/completions", json=ASK)
    lines = http.get("/metrics").text.splitlines()
    assert "vllm:num_requests_running 0" in lines
    assert "vllm:generation_tokens_total 21" in lines  # 16 of them the launch's
    assert "vllm:time_to_first_token_seconds_count 2" in lines
    assert "vllm:inter_token_latency_seconds_count 19" in lines


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/ping",
        "/v2/health/ready",
        "/v2/models/tiny/ready",
        "/version",
        "/api/version",
        "/info",
        "/v1/models",
    ],
)
def test_pages_answer(path: str, http: httpx.Client) -> None:
    assert http.get(path).status_code == 200


def test_tokens_are_counted(http: httpx.Client) -> None:
    assert http.post("/tokenize", json={"content": "12345678"}).json() == {
        "tokens": [1000, 1001],
        "count": 2,
    }
    assert http.post("/tokenize", json={}).status_code == 400


def test_what_is_not_there(http: httpx.Client) -> None:
    assert http.get("/none").status_code == 404
    assert http.get("/none").json() == {"error": "GET /none: nothing here"}
    assert http.post("/health").status_code == 405


def test_a_request_that_makes_no_sense(http: httpx.Client) -> None:
    answer = http.post("/v1/completions", content=b'{"max_tokens": 3}')
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "the body lacks or misuses 'prompt'"},
    )


def test_an_unknown_fault_in_a_header(http: httpx.Client) -> None:
    answer = http.post("/v1/completions", json=ASK, headers={HEADER: "stal"})
    assert answer.status_code == 400
    assert "unknown fault 'stal'; did you mean 'stall'?" in answer.json()["error"]


def test_a_configurations_fault_is_for_requests_but_not_for_the_launch(tmp_path: Path) -> None:
    config = model(fault="http-500")
    with launch(config, Limits(), log_dir=tmp_path, cores=place(1), session="s") as server:
        url = f"{server.endpoint.base_url}/v1/completions"
        assert httpx.post(url, json=ASK).status_code == 500
        assert httpx.post(url, json=ASK, headers={HEADER: "none"}).status_code == 200


def test_an_unknown_fault_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="unknown fault 'stal'; did you mean 'stall'"),
        launch(model(fault="stal"), Limits(), log_dir=tmp_path, cores=place(1), session="s"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_goes_away_frees_its_slot(running: RunningServer, http: httpx.Client) -> None:
    ask = ASK | {"max_tokens": 100_000}
    with http.stream("POST", "/v1/completions", json=ask) as answer:
        next(answer.iter_raw())
    while http.get("/stats").json()["running"]:
        assert running.died() is None
    assert http.get("/stats").json()["outcomes"] == {"gone": 1}


def test_a_server_that_dies_in_a_request_is_told(tmp_path: Path) -> None:
    with launch(
        model(fault="die"), Limits(), log_dir=tmp_path, cores=place(1), session="s"
    ) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.endpoint.base_url}/v1/completions", json=ASK)
        while server.died() is None:
            assert psutil.pid_exists(server.endpoint.launch.pid or 0)
        assert "exit code: 3" in str(server.died())


def test_serve_says_where_and_ends_with_ctrl_c() -> None:
    code = (
        "from llmbench.simulator import serve\n"
        "from llmbench.config import SimulatedServer\n"
        "serve(SimulatedServer(), '127.0.0.1', 0, say=lambda text: print(text, flush=True))\n"
    )
    with running_python("-c", code) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("simulated server at http://127.0.0.1:")
        assert httpx.get(f"{line.split()[3]}/health").json() == {"status": "ok"}
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=10)
        assert (rest, process.returncode) == ("ended\n", 0)


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmbench.simulator.server.settle", lambda cores: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            serve(SimulatedServer(), "127.0.0.1", port)
    assert str(caught.value) == (
        f"can't listen on 127.0.0.1:{port}: Address already in use; "
        "give another --port, or 0 for any"
    )
