"""Hold a plan to real engines on this host: plan_on_engines.py RUN [SERVERS [SECONDS [RATE,RATE]]].

A twin is fitted to RUN, a run of SmolLM2 on one core (docs/twin.md has its grid). SERVERS such
servers (2), each with a core of its own where there are enough, are then measured together, at
each of the rates in requests/s. The fleet of the plan is given the same arrivals, in turn, and
draws of its own.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from llmbench.records import RequestRecord
from llmbench.store import RunDir
from llmbench.twin import Twin, fit_run
from llmbench.twin.fleet.replaying import Replicated
from tests.perf.plan_check import compare

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
    records = measure(servers, rate, seconds)
    print(f"{servers} servers, {rate:g} requests/s, {len(records)} requests (ms):")
    for one in compare(records, Replicated(twin.steps, servers, "round-robin")):
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
