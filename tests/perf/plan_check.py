"""Hold plans to measurements: tests.perf.plan_check [SECONDS].

Two and four simulated servers are measured over HTTP, by the benchmark itself, with requests that
arrive at a rate. The plan's fleet is then given the same arrivals, and draws of its own. What the
servers say of their times is compared too: their steps are due at fixed moments, so that a busy
host, which is late for them, changes only what the client sees.
"""

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from msgspec import Struct

from llmbench.records import RequestRecord
from llmbench.store import RunDir
from llmbench.twin.cell_figures import Array
from llmbench.twin.fleet.drawing import DrawnTraffic, Workload, draw
from llmbench.twin.fleet.replaying import Replicated, serve
from llmbench.twin.fleet.routing import Routing
from llmbench.twin.twin_file import FittedRange, Twin, write_twin
from llmbench.value_types import EngineSteps
from tests.acceptance.conftest import word_tokenizer
from tests.processes import running_python

STEPS = EngineSteps(
    base_ms=20.0,
    ms_per_sequence=1.0,
    ms_per_context_token=0.002,
    ms_per_prompt_token=0.2,
    most_sequences=8,
    token_budget=512,
)
LENGTHS, RATE_PER_SERVER = (128, 32), 4.0
DEALS: dict[Routing, str] = {"round-robin": "round robin", "least-requests": "least busy"}
MODEL = """
title = "Several simulated servers"
model = "planned"
api = "openai-completions"
tokenizer = "tokenizer.json"

[server]
kind = "remote"
url = "{first}"
replicas = {others}

[grid]
input_tokens = [{lengths[0]}]
output_tokens = [{lengths[1]}]
"""
BENCHMARK = """
import pytest

@pytest.mark.llm("rate")
def test_rate(llm_bench, cell):
    llm_bench.run(cell)
"""
CONFTEST = "def pytest_llmbench_report(config, run): return run.page_file"
FIGURES = {"TTFT": "ttft_ms", "time per token": "time_per_token_ms", "latency": "latency_ms"}
STATISTICS: dict[str, Callable[[Array], float]] = {
    "mean": lambda times: float(times.mean()),
    "p95": lambda times: float(np.quantile(times, 0.95)),
}


class Compared(Struct, frozen=True):
    """A figure in ms: of the servers, of the client, and planned for these arrivals or others."""

    name: str
    servers: float
    client: float
    planned: float
    drawn: float
    drawn_error: float

    @property
    def off(self) -> float:
        """How far off the plan is for the same arrivals, as a share."""
        return self.planned / self.servers - 1

    @property
    def off_client(self) -> float:
        """The same by what the client saw."""
        return self.planned / self.client - 1


TWIN = Twin(
    name="planned",
    run="none",
    simulated=True,
    range=FittedRange((1, 8), (128, 128), (32, 32)),
    steps=STEPS,
    scatter=((1, 0.0, 0.0, 0.0),),
    leave_one_out=((20.0, 1.0, 0.002, 0.2),) * 6,
)


def measure(folder: Path, servers: int, seconds: float, routing: Routing) -> list[RequestRecord]:
    """The requests of one cell of several simulated servers."""
    write_twin(folder / "twin.toml", TWIN)
    serving = ("-m", "llmbench.cli", "simulate", "--tells-times", "--twin")
    with ExitStack() as stack:
        urls = []
        for _ in range(servers):
            process = stack.enter_context(running_python(*serving, str(folder / "twin.toml")))
            assert process.stdout is not None
            urls.append(process.stdout.readline().split()[3])
        return _measured(folder, urls, seconds, routing)


def _measured(
    folder: Path, urls: list[str], seconds: float, routing: Routing
) -> list[RequestRecord]:
    """The measured requests of a benchmark of one cell, in a folder of its own."""
    files = {
        "models/planned.toml": MODEL.format(first=urls[0], others=urls[1:], lengths=LENGTHS),
        "tokenizer.json": word_tokenizer(),
        "test_planned.py": BENCHMARK,
        "conftest.py": CONFTEST,
        "pytest.ini": "[pytest]\nllm_models_dir = models\n",
    }
    (folder / "models").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    rate = RATE_PER_SERVER * len(urls)
    load = ["--llm-rates", str(rate), "--llm-duration", str(seconds), "--llm-run-dir", "run"]
    command = [sys.executable, "-m", "pytest", "-q", *load, "--llm-deal", DEALS[routing]]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    records = []
    if (folder / "run").is_dir():
        run = RunDir.open(folder / "run")
        records = [one for one in run.requests() if one.phase == "measured"]
    if not records or any(one.error for one in records):
        raise SystemExit(done.stdout + done.stderr)
    return records


def arrivals_of(records: list[RequestRecord]) -> DrawnTraffic:
    """The same requests for a fleet; all are measured."""
    at_ns, inputs, outputs = (
        np.array([getattr(one, name) for one in records], dtype=np.float64)
        for name in ("sent_ns", "input_tokens", "output_tokens")
    )
    at_ns -= at_ns.min()
    lengths = inputs.astype(np.int32), outputs.astype(np.int32)
    return DrawnTraffic(at_ns, *lengths, (0.0, float(at_ns.max())))


def times_of(records: list[RequestRecord]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Times in ms by the servers, from the receipt, and by the client, from the due moment."""
    due, first, last, queue, prompt, decode, tokens = (
        np.array([getattr(one, name) for one in records], dtype=np.float64)
        for name in (
            "scheduled_ns",
            "first_token_ns",
            "last_token_ns",
            "server_queue_ms",
            "server_prompt_ms",
            "server_decode_ms",
            "output_tokens",
        )
    )
    ttft = queue + prompt
    servers = ttft, decode / (tokens - 1), ttft + decode
    client = (first - due) / 1e6, (last - first) / 1e6 / (tokens - 1), (last - due) / 1e6
    names = FIGURES.values()
    return dict(zip(names, servers, strict=True)), dict(zip(names, client, strict=True))


def compare(records: list[RequestRecord], fleet: Replicated) -> list[Compared]:
    """Means and 95th percentiles, measured and planned."""
    records = sorted(records, key=lambda one: one.scheduled_ns)
    servers, client = times_of(records)
    arrivals = arrivals_of(records)
    replayed, rate = serve(fleet, arrivals), len(records) / arrivals.at_ns.max() * 1e9
    lengths = ((int(arrivals.input_tokens[0]), int(arrivals.output_tokens[0])),)
    drawn = [serve(fleet, draw(Workload(lengths, rate), 5_000, seed)) for seed in range(4)]
    return [
        Compared(
            f"{words} {statistic}",
            figure(servers[name]),
            figure(client[name]),
            figure(getattr(replayed, name)),
            *_mean_and_error([figure(getattr(one, name)) for one in drawn]),
        )
        for words, name in FIGURES.items()
        for statistic, figure in STATISTICS.items()
    ]


def _mean_and_error(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def main(seconds: float) -> None:
    for servers in (2, 4):
        for routing in DEALS:
            with TemporaryDirectory() as folder:
                records = measure(Path(folder), servers, seconds, routing)
            print(f"{servers} servers, {routing}, {len(records)} requests (ms):")
            for one in compare(records, Replicated(STEPS, servers, routing)):
                print(
                    f"  {one.name:<20} planned {one.planned:7.1f}, the servers {one.servers:7.1f} "
                    f"({one.off:+.1%}), the client {one.client:7.1f} ({one.off_client:+.1%}); "
                    f"for other arrivals planned {one.drawn:7.1f} ± {one.drawn_error:.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
