"""The client's memory over time under many streams: client_memory.py [USERS] [SECONDS].

Prints the resident set as time goes by, its slope over the second half, and the CPU time for each
token. Without arguments it is 1,000 streams for ten minutes; an hour is 3600 seconds.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

from llmbench.cells import Cell, Limits, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.load.cell import run_cell
from llmbench.load.progress import Progress
from llmbench.records import Prompt
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place
from llmbench.store import RunDir

MS_PER_TOKEN, TOKENS = 100, 32
LINES = 20
PERIOD_S = 1.0


def main(users: int = 1000, seconds: float = 600) -> None:
    """Measure and print."""
    server = SimulatedServer(slots=users, ttft_ms=MS_PER_TOKEN, ms_per_token=MS_PER_TOKEN)
    config = ModelConfig("memory", "Memory", "sim", "openai-completions", "none", server)
    prompts = [Prompt(f"number {number}", 4) for number in range(1000)]
    cores, process = place(1), psutil.Process()
    seen: list[tuple[float, float]] = []  # seconds, MiB
    lines: list[float] = []

    def look(progress: Progress) -> None:
        at_s = progress.elapsed_s
        if seen and at_s - seen[-1][0] < PERIOD_S:
            return
        seen.append((at_s, process.memory_info().rss / 2**20))
        if at_s >= len(lines) * seconds / LINES:
            lines.append(at_s)
            print(f"{at_s:6.0f} s {progress.done:8} requests {seen[-1][1]:7.1f} MiB", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(Path(folder))
        with launch(config, Limits(), log_dir=run.path, cores=cores, session="memory") as running:
            cell = Cell("memory", 4, TOKENS, Users(users, None, duration_s=seconds))
            done = run_cell(
                cell,
                running.endpoint,
                prompts,
                run=run,
                repeat=1,
                seed=1,
                prompts_sha256="",
                cores=cores.client,
                progress=look,
            )
        tokens = sum(record.events for record in run.requests())
    print(f"{slope_per_hour(seen):+.1f} MiB an hour over the second half")
    print(f"{done.client_cpu_ns / tokens / 1e3:.1f} us CPU for each token")


def slope_per_hour(seen: list[tuple[float, float]]) -> float:
    """The slope of a straight line through the second half of the (seconds, size) pairs."""
    times, sizes = np.array(seen[len(seen) // 2 :]).T
    return float(np.polyfit(times, sizes, 1)[0] * 3600)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
