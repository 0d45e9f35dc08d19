"""Hold a plan to real engines on this host: plan_on_engines.py RUN [SERVERS [SECONDS [RATE,RATE]]].

A twin is fitted to RUN, a run of SmolLM2 on one core (docs/twin.md has its grid). SERVERS such
servers (2), each with a core of its own where there are enough, are then measured together, at
each of the rates in requests/s. The fleet of the plan is given the same arrivals, in turn, and
draws of its own. A host's speed changes within minutes, and servers that share it slow each other
down. So how much longer than by the twin those requests took that shared no step is told, and the
plan of a twin that is as slow.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from llmbench.records import RequestRecord
from llmbench.store import RunDir
from llmbench.twin import Twin, fit_run
from llmbench.twin.fleet.replaying import Replicated, serve
from llmbench.twin.step_costs import costs_of, with_costs
from llmbench.value_types import EngineSteps
from tests.perf.plan_check import arrivals_of, compare, times_of

ROOT = Path(__file__).parents[2]
MODEL = "smollm2-135m.toml"
LENGTHS = "--llm-input-tokens", "32", "--llm-output-tokens", "64"


def measure(servers: int, rate: float, seconds: float) -> list[RequestRecord]:
    """The requests of one cell of so many servers, which are dealt to them in turn."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        text = (ROOT / "fixtures" / "models" / MODEL).read_text(encoding="utf-8")
        shared = text.replace("[server]\n", f"[server]\ninstances = {servers}\n")
        (folder / MODEL).write_text(shared, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "benchmarks/test_rate.py", "-q", *LENGTHS]
        command += ["-p", "no:cacheprovider", "-k", "not highest", "--llm-rates", str(rate)]
        command += ["--llm-duration", str(seconds), "--llm-run-dir", str(folder / "run")]
        command += ["--llm-models-dir", str(folder)]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if not (folder / "run").is_dir():
            raise SystemExit(done.stdout + done.stderr)
        measured = list(RunDir.open(folder / "run").requests())
    return [one for one in measured if one.phase == "measured" and one.error is None]


def show(twin: Twin, servers: int, rate: float, seconds: float) -> None:
    """Measure and print."""
    records = sorted(measure(servers, rate, seconds), key=lambda one: one.scheduled_ns)
    steps = twin.steps
    alone, times = slowness(records, steps, servers)
    print(f"{servers} servers, {rate:g} requests/s, {len(records)} requests (ms):")
    show_plan(records, steps, servers)
    print(f" {alone} requests that shared no step took {times - 1:+.1%} longer; a twin as slow:")
    show_plan(records, with_costs(steps, costs_of(steps) * times), servers)


def slowness(records: list[RequestRecord], steps: EngineSteps, servers: int) -> tuple[int, float]:
    """How many requests shared no step by the plan, and how many times as long they took."""
    arrivals = arrivals_of(records)
    planned, lone = (
        serve(Replicated(steps, count, "round-robin"), arrivals).latency_ms
        for count in (servers, len(records))
    )
    _, client = times_of(records)
    alone = np.isclose(planned, lone, rtol=1e-3)
    return int(alone.sum()), float(np.median((client["latency_ms"] / planned)[alone]))


def show_plan(records: list[RequestRecord], steps: EngineSteps, servers: int) -> None:
    """Print what the fleet of the plan would have done beside what was measured."""
    for one in compare(records, Replicated(steps, servers, "round-robin")):
        print(
            f"  {one.name:<20} planned {one.planned:7.1f}, measured {one.client:7.1f} "
            f"({one.off_client:+.1%}); for other arrivals planned {one.drawn:7.1f}",
            flush=True,
        )


def main(run: str, servers: str = "2", seconds: str = "60", rates: str = "0.5,1,1.5") -> None:
    """Fit, measure and print."""
    twin = fit_run(RunDir.open(Path(run))).twin
    for rate in rates.split(","):
        show(twin, int(servers), float(rate), float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
