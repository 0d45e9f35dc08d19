"""The gate on a real server: unchanged sessions must not FAIL, a slowed server must.

Stores a baseline of the embedded model, runs unchanged sessions against it, and then one in which
a busy loop takes half of the server's core. Prints a line for each session and a table.
``python tests/perf/aa_sessions.py [SESSIONS]`` (default 20; about half a minute each).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmbench.servers.placement.placing import place

ROOT = Path(__file__).parents[2]
GRID = (
    "--llm-input-tokens",
    "32",
    "--llm-output-tokens",
    "32",
    "--llm-users",
    "1,2",
    "--llm-requests",
    "4",
    "--llm-repeats",
    "5",
)


def session(folder: Path, name: str, *extra: str) -> dict[str, object]:
    """Run one session into ``folder/name``; its verdict, empty without a baseline."""
    run = folder / name
    command = [
        sys.executable,
        "-m",
        "pytest",
        "benchmarks/test_grid.py",
        "-q",
        "-k",
        "test_grid and smollm2-135m-in",
        "--benchmark-disable",
        "--llm-run-dir",
        str(run),
        "--llm-baselines-dir",
        str(folder),
        *GRID,
        *extra,
    ]
    subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    file = run / "verdict.json"
    found: dict[str, object] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def states(verdict: dict[str, object]) -> Counter[str]:
    """How many gating comparisons ended how; a fault counts as its state."""
    comparisons, faults = verdict["comparisons"], verdict["faults"]
    assert isinstance(comparisons, list)
    assert isinstance(faults, list)
    gating = [row["state"] for row in comparisons if row["gating"]]
    return Counter([*gating, *(fault["state"] for fault in faults)])


@contextmanager
def half_the_core() -> Iterator[None]:
    """A busy loop on the server's core, which leaves the server half of it."""
    (core, *_) = place(1).server
    loop = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    busy = subprocess.Popen([sys.executable, "-c", loop])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def main() -> None:
    """Baseline, unchanged sessions, the slowed one."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{os.cpu_count()} cores; grid {' '.join(GRID)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        session(folder, "base", "--llm-save-baseline", "main")
        total: Counter[str] = Counter()
        red = 0
        for number in range(1, sessions + 1):
            found = states(session(folder, f"same-{number}", "--llm-baseline", "main"))
            total += found
            red += found["FAIL"] > 0
            print(f"unchanged {number:2d}: {dict(found)}", flush=True)
        with half_the_core():
            slow = session(folder, "slow", "--llm-baseline", "main")
        print(f"half the core: {dict(states(slow))}")
        print(f"\nunchanged sessions with any FAIL: {red} of {sessions}; figures: {dict(total)}")


if __name__ == "__main__":
    main()
