"""Prints what reading a server's gauges once a second costs the client, and what it does to a load.

Run as ``python -m tests.perf.gauge_reading``. The target is at most 0.5 % of a core. The page is as
long as that of vLLM 0.32, some 53 kB; the load is 64 streams from the simulator.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from llmbench.cells import Cell, Limits, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.gauges import GaugeSample
from llmbench.load.cell import run_cell
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import Endpoint, Launch, Prompt
from llmbench.results import CellSummary
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place
from llmbench.servers.scraping.gauge_watch import GaugePage, GaugeWatch
from llmbench.store import RunDir

PAGE_BYTES = 53_000
READINGS = 500
BUCKET = 'vllm:request_queue_time_seconds_bucket{{engine="0",le="{}.0",model_name="m"}} 7.0\n'
GAUGES = """\
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 5.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1200.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 300.0
vllm:num_preemptions_total{engine="0",model_name="m"} 0.0
"""


def page_of_vllm() -> bytes:
    """As many lines of histograms as vLLM has, with its gauges between them."""
    lines = [BUCKET.format(number) for number in range(PAGE_BYTES // len(BUCKET))]
    half = len(lines) // 2
    return "".join([*lines[:half], GAUGES, *lines[half:]]).encode()


def serve(pipe: Connection) -> None:
    """Answer every request with the page, in a process of its own."""
    body = page_of_vllm()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: only the figures are printed."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    pipe.send(server.server_port)
    server.serve_forever()


@contextmanager
def page_server() -> Iterator[Endpoint]:
    """The endpoint of a server with such a page."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    yield Endpoint(
        f"http://127.0.0.1:{here.recv()}", "openai-completions", "m", False, Launch("remote", 0)
    )
    process.terminate()
    process.join()


def cost() -> None:
    """The CPU time of a reading, from the request to the sample's numbers."""
    with page_server() as endpoint:
        page = GaugePage(f"{endpoint.base_url}/metrics", endpoint)
        told = page.read()
        assert told["running"] == 3
        began, wall = time.thread_time(), time.perf_counter()
        for _ in range(READINGS):
            page.read()
        cpu_ms = (time.thread_time() - began) / READINGS * 1e3
        wall_ms = (time.perf_counter() - wall) / READINGS * 1e3
        page.close()
    print(
        f"a reading of {len(page_of_vllm()):,} bytes: {cpu_ms:.2f} ms CPU, {wall_ms:.2f} ms wall;"
        f" once a second {cpu_ms / 10:.3f} % of a core"
    )


def load(endpoint: Endpoint, folder: Path, repeat: int, cores: tuple[int, ...]) -> CellSummary:
    """64 users with 10 requests each."""
    run = RunDir(folder)
    cell = Cell("sim", 8, 64, Users(64, 10))
    prompts = [Prompt(f"Tell me of the number {number}.", 8) for number in range(640)]
    done = run_cell(
        cell, endpoint, prompts, run=run, repeat=repeat, seed=1, prompts_sha256="", cores=cores
    )
    return summarise(done, table(run.requests(cell.id, repeat)))


def disturbance() -> None:
    """The same load with and without readings, in turns."""
    server = SimulatedServer(ttft_ms=50, ms_per_token=20)
    model = ModelConfig("sim", "Simulated", "sim", "openai-completions", "none", server)
    cores = place(1)
    seen: list[GaugeSample] = []
    with (
        TemporaryDirectory() as folder,
        launch(model, Limits(), log_dir=Path(folder), cores=cores, session="perf") as running,
    ):
        watch = GaugeWatch("sim", [running.endpoint], seen.append)
        for repeat in range(1, 5):
            reads = repeat in (2, 3)
            during = watch.during("sim", repeat, cores.client) if reads else nullcontext()
            with during:
                summary = load(running.endpoint, Path(folder), repeat, cores.client)
            assert summary.client_lag_ms and summary.ttft_ms and summary.time_per_token_ms
            print(
                f"{'with' if reads else 'without'} readings: client lag p99"
                f" {summary.client_lag_ms.p99:.3f} ms, TTFT p99 {summary.ttft_ms.p99:.2f} ms,"
                f" time per token p99 {summary.time_per_token_ms.p99:.3f} ms,"
                f" client's CPU {summary.client_cpu_us_per_token:.1f} µs a token"
            )
        watch.close()
    print(f"{len(seen)} readings, {sum(g.error is not None for g in seen)} failed")


if __name__ == "__main__":
    cost()
    disturbance()
