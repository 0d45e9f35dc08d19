"""The simulator's gauges, read in each engine's words, held against its own truth at ``/stats``."""

from pathlib import Path

import httpx
import pytest
from msgspec import convert

from llmbench.cells import Limits, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.gauges import GaugeSample
from llmbench.metrics.gauge_means import time_weighted
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import Placement
from llmbench.servers.scraping.gauge_watch import GaugeWatch
from llmbench.simulator.dialects.metric_words import WORDS
from tests.load.serving import Load

KV_TOKENS = 100
CLOSE = 0.02


@pytest.mark.parametrize("engine", WORDS)
def test_means_over_time_are_the_truth(engine: str, tmp_path: Path) -> None:
    truly = {"ttft_ms": 30, "ms_per_token": 10, "slots": 3, "kv_tokens": KV_TOKENS}
    server = convert(truly | {"kind": "simulated", "metrics_as": engine}, SimulatedServer)
    model = ModelConfig("sim", "Simulated", "sim", "openai-completions", "none", server)
    seen: list[GaugeSample] = []
    with launch(model, Limits(), log_dir=tmp_path, cores=Placement((), ()), session="s") as running:
        where, load = running.endpoint, Load(tmp_path)
        watch = GaugeWatch("sim", [where], seen.append, period_s=0.01)
        with httpx.Client(base_url=where.base_url) as http:
            http.post("/stats/reset")
            with watch.during("sim", 1):
                began_ns = seen[0].time_ns
                load.keep(where, Users(8, 5))
            truth = http.get("/stats").json()
        watch.close()
    assert {g.error for g in seen} == {None}
    true = {name: truth[f"{name}_mean"] for name in ("running", "waiting")}
    true["kv_usage"] = truth["kv_tokens_mean"] / KV_TOKENS
    whole_s = truth["over_s"]  # with the idle time before the first reading and after the last
    times_s = [(g.time_ns - began_ns) / 1e9 for g in seen]
    for quantity in ("running", "waiting", "kv_usage"):
        values = [getattr(g, quantity) for g in seen]
        if quantity not in WORDS[engine]:
            assert set(values) == {None}
            continue
        mean = time_weighted(times_s, values, times_s[-1])
        assert (
            max(values) > 0.2
        )  # there is something to see, however long the server idled around it
        assert mean * times_s[-1] == pytest.approx(true[quantity] * whole_s, rel=CLOSE)
