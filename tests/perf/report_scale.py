"""Prints what `write_report` costs: time, peak memory and size of the page, for large runs.

Each is judged from its journal first, as after a kill, and then drawn from its digests, as at the
end of a session.

Run as ``python -m tests.perf.report_scale [requests|cells|many ...]`` from the repository.
Targets on 2 cores: 1,000,000 requests in 60 s and 2 GiB, 30 cells in 4 s, 200 in 15 s,
a page under 5 MB.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.report.synthetic import grid, write_run

LENGTHS = (32, 64, 128, 256, 512)
CASES = {
    "requests": "1,000,000 requests in 4 cells, 16 tokens each",
    "cells": "30 cells",
    "many": "200 cells",
}


def make(case: str, path: Path) -> None:
    """A run directory of one of the cases, its journal only."""
    if case == "requests":
        cells = grid(users=(10, 50, 100, 200), outputs=(16,), requests_per_user=2777)
        write_run(path, cells, requests_per_user=2777)
    elif case == "cells":
        cells = grid(inputs=LENGTHS[:3], outputs=(32, 64), users=(1, 4, 8, 16, 32))
        write_run(path, cells, requests_per_user=10)
    else:
        cells = grid(inputs=LENGTHS, outputs=LENGTHS, users=(1, 2, 4, 8, 12, 16, 24, 32))
        write_run(path, cells, requests_per_user=3)


def measure(path: Path) -> str:
    """Time from the start of a fresh interpreter, its peak memory, and the page's size."""
    code = (
        "import sys; from pathlib import Path; from llmbench.store import RunDir; "
        "from llmbench.report import write_report; write_report(RunDir(Path(sys.argv[1])))"
    )
    before = time.monotonic()
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", code, str(path)], os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - before
    if status:
        raise SystemExit(f"write_report failed in {path}")
    peak, cpu = usage.ru_maxrss / 2**20, usage.ru_utime + usage.ru_stime
    journal = sum(file.stat().st_size for file in path.glob("journal/**/*.jsonl")) / 2**20
    page = (path / "index.html").stat().st_size / 1e6
    charts = len(list(path.glob("charts/*.png")))
    return (
        f"{seconds:6.1f} s ({cpu:.1f} s CPU)  peak {peak:5.2f} GiB  page {page:5.2f} MB"
        f"  {charts} charts  journal {journal:,.0f} MiB"
    )


def main() -> None:
    """Print a line for each case."""
    for case in sys.argv[1:] or list(CASES):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            # Not in this process: a child's peak begins at what its parent holds.
            maker = multiprocessing.get_context("spawn").Process(target=make, args=(case, path))
            maker.start()
            maker.join()
            for words in (f"{CASES[case]}, from the journal", "  from its digests"):
                print(f"{words:65} {measure(path)}", flush=True)


if __name__ == "__main__":
    main()
