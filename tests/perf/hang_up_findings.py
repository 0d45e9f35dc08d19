"""How often the finding whether a server let go of hung-up requests is right.

``python -m tests.perf.hang_up_findings [REPEATS]`` loads a simulated server that lets go, and one
that doesn't, and prints for each load how many of the cells say so, with and without its gauges.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from llmbench.cells import Arrivals, Cell, Limits, Shape, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.load import run_cell
from llmbench.metrics import summarise, table
from llmbench.servers import OFTEN_S, GaugeWatch, Placement
from llmbench.servers.launching import launch
from llmbench.store import RunDir
from llmbench.traffic import HangUps, Lengths, PromptsOfLength

PROMPTS = PromptsOfLength(tuple(f"{k:>40}" for k in range(200)), (10,) * 200)
LOADS: list[tuple[Shape, int, int, HangUps]] = [
    # load, slots, tokens of an answer (10 ms each), hang-ups
    (Users(1, 16), 1, 60, HangUps(0.25, after_tokens=4)),
    (Users(4, 8), 4, 60, HangUps(0.25, after_tokens=4)),
    (Users(16, 8), 16, 120, HangUps(0.1, after_ms=200)),
    (Users(16, 8), 64, 120, HangUps(0.5, after_tokens=1)),
    (Arrivals(10.0, requests=80), 32, 120, HangUps(0.2, after_tokens=8)),
]


def findings(loads: list[tuple[Shape, int, int, HangUps]], repeats: int) -> list[dict[str, Any]]:
    """For each load and kind of server, how many cells found what, by gauges and without."""
    return [
        {"load": load, "lets go": fault is None} | _counted(load, fault, repeats)
        for load in loads
        for fault in (None, "ignores-hang-ups")
    ]


def _counted(
    load: tuple[Shape, int, int, HangUps], fault: str | None, repeats: int
) -> dict[str, Counter[bool | None]]:
    shape, slots, tokens, hang_ups = load
    server = SimulatedServer(ttft_ms=40, ms_per_token=10, slots=slots, fault=fault)
    model = ModelConfig("sim", "Simulated", "sim", "openai-completions", "none", server)
    cell = Cell("sim", 0, 0, shape, traffic=Lengths("h", 10, tokens, hang_ups=hang_ups))
    found = {"gauges": Counter[bool | None](), "rate": Counter[bool | None]()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with launch(
            model, Limits(), log_dir=folder, cores=Placement((), ()), session="h"
        ) as running:
            for repeat in range(1, repeats + 1):
                run, gauges = RunDir(folder / str(repeat)), list[Any]()
                watch = GaugeWatch("sim", running.endpoint.replicas, gauges.append)
                with watch.during(cell.id, repeat, period_s=OFTEN_S):
                    done = run_cell(
                        cell,
                        running.endpoint,
                        (),
                        run=run,
                        repeat=repeat,
                        seed=repeat,
                        prompts_sha256="",
                        material=PROMPTS,
                    )
                watch.close()
                requests = table(run.requests(cell.id))
                found["gauges"][summarise(done, requests, gauges=gauges).let_go] += 1
                found["rate"][summarise(done, requests).let_go] += 1
    return found


def main() -> None:
    """Print a row for each load and kind of server."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(
        "| load | slots | hang-ups | the server | by gauges | by rate |\n|---|---|---|---|---|---|"
    )
    words = {True: "lets go", False: "does not", None: "not known"}
    for row in findings(LOADS, repeats):
        shape, slots, tokens, hang_ups = row["load"]
        said = [
            ", ".join(f"{words[k]} {n}" for k, n in row[how].items()) for how in ("gauges", "rate")
        ]
        asked = f"{hang_ups.share:g} {hang_ups.moment} of {tokens}"
        print(
            f"| {shape.suffix} | {slots} | {asked} | {words[row['lets go']]} | {' | '.join(said)} |"
        )


if __name__ == "__main__":
    main()
