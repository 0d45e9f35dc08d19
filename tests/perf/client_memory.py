"""The client's memory over 100,000 requests: python tests/perf/client_memory.py

Prints the resident set as the requests go by, and the CPU time for each request.
"""

import tempfile
from pathlib import Path

import psutil

from llmbench.cells import Cell, Limits, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.load.cell import run_cell
from llmbench.load.progress import Progress
from llmbench.records import Prompt
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place
from llmbench.store import RunDir

USERS, REQUESTS, EVERY = 32, 100_000, 20_000


def main() -> None:
    """Measure and print."""
    server = SimulatedServer(slots=64, ttft_ms=2, ms_per_token=1)
    config = ModelConfig("memory", "Memory", "sim", "openai-completions", "none", server)
    prompts = [Prompt(f"number {number}", 4) for number in range(1000)]
    cores, process, said = place(1), psutil.Process(), set[int]()

    def say(progress: Progress) -> None:
        if progress.done // EVERY not in said:
            said.add(progress.done // EVERY)
            mib = process.memory_info().rss / 2**20
            print(f"{progress.done:7} requests {mib:7.1f} MiB", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(Path(folder))
        with launch(config, Limits(), log_dir=run.path, cores=cores, session="memory") as running:
            cell = Cell("memory", 4, 2, Users(USERS, REQUESTS // USERS))
            done = run_cell(
                cell,
                running.endpoint,
                prompts,
                run=run,
                repeat=1,
                seed=1,
                prompts_sha256="",
                cores=cores.client,
                progress=say,
            )
    print(f"{done.client_cpu_ns / REQUESTS / 1e3:.1f} us CPU for each request of 2 tokens")


if __name__ == "__main__":
    main()
