"""Time from the command to the first measured request, beyond the server's own start.

Run it twice and read the second, for the first builds the prompts:
``python tests/perf/first_request.py``.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from llmbench.store import RunDir

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Run one small cell of the embedded model and print where the time went."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "benchmarks/test_grid.py",
            "-q",
            "-k",
            "test_grid and smollm2-135m-in",
            "--llm-users",
            "1",
            "--llm-requests",
            "1",
            "--llm-input-tokens",
            "32",
            "--llm-output-tokens",
            "8",
            "--llm-run-dir",
            str(run_dir),
        ]
        started_ns = time.time_ns()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        run = RunDir.open(run_dir)
        launch = run.cell_runs()[0].endpoint.launch
        first_ns = min(r.sent_ns for r in run.requests() if r.sent_ns is not None)
    total_s = (first_ns - started_ns) / 1e9
    server_s = launch.first_token_s or 0.0
    print(f"command to first request      {total_s:6.2f} s")
    print(f"of it the server's own start  {server_s:6.2f} s")
    print(f"the harness's part            {total_s - server_s:6.2f} s  (target: under 1.5 s)")


if __name__ == "__main__":
    main()
