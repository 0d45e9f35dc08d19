"""How far a busy neighbour on the server's core moves its times, and its CPU time of a token.

Measures the embedded model alone and beside a loop that never waits, in turn, and prints both
figures of each session with their ratio. ``python -m tests.perf.busy_neighbour [PAIRS]`` (default
3; some 25 s each).
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from llmbench.results import CellResult
from llmbench.servers import place
from llmbench.store import RunDir
from llmbench.verdict import results
from tests.processes import running_python

ROOT = Path(__file__).parents[2]
SESSION = (
    "benchmarks/test_grid.py",
    "-q",
    "-k",
    "test_grid and smollm2-135m-in",
    "--benchmark-disable",
    "--llm-input-tokens=32",
    "--llm-output-tokens=64",
    "--llm-users=1,2",
    "--llm-requests=5",
)
SPIN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True:\n    pass"


def session(run: Path, *, beside: bool) -> list[CellResult]:
    """The cells of one session, with or without a neighbour on the server's core."""
    core = str(place(1.0).server[0])
    with running_python("-c", SPIN, core) if beside else nullcontext():
        command = [sys.executable, "-m", "pytest", *SESSION, f"--llm-run-dir={run}"]
        subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    return results(RunDir.open(run))


def figures(result: CellResult) -> tuple[float, float, float]:
    """Time per token (p50) and CPU time per token, in ms, and the share of stolen time."""
    summary = result.summary
    assert summary.time_per_token_ms is not None and summary.cpu_per_token_ms is not None
    return summary.time_per_token_ms.p50, summary.cpu_per_token_ms, summary.steal_share or 0.0


def shown(name: str, each: Sequence[CellResult]) -> None:
    """Print a line for each cell of a session."""
    for result in each:
        token, cpu, steal = figures(result)
        cell = result.summary.cell_id
        print(f"{name} {cell}: {token:.2f} ms/token, {cpu:.2f} ms CPU/token, steal {steal:.1%}")


def main(pairs: int) -> None:
    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(pairs):
            alone = session(Path(folder) / f"{pair}-alone", beside=False)
            busy = session(Path(folder) / f"{pair}-busy", beside=True)
            shown("alone ", alone)
            shown("beside", busy)
            for before, after in zip(alone, busy, strict=True):
                (token, cpu, _), (token_now, cpu_now, _) = figures(before), figures(after)
                ratios.append((token_now / token, cpu_now / cpu))
    times, cpus = zip(*ratios, strict=True)
    print(f"time per token: x{median(times):.2f} ({min(times):.2f} to {max(times):.2f})")
    print(f"CPU per token:  x{median(cpus):.3f} ({min(cpus):.3f} to {max(cpus):.3f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
