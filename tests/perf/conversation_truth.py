"""Conversations against a simulated server that knows what each turn took:

    python -m tests.perf.conversation_truth [--users 256] [--conversations 100000]

Prints TTFT and the cached share of each turn, as this client reports them and as the server
recorded them, for so many users at once on one core, with the CPU time for each token. Then it has
so many short conversations with a quick server, and prints the client's memory as they go by and
its slope over the second half. Either is left out for 0.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
from msgspec import Struct

from llmbench.cells import Cell, Limits, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.load.cell import run_cell
from llmbench.load.progress import Progress
from llmbench.metrics.digests.turns import turn_summaries
from llmbench.metrics.tables import table
from llmbench.records import CellRun, Endpoint
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import Placement, place
from llmbench.store import RunDir
from llmbench.traffic import Conversations, Script, Scripts
from llmbench.value_types import PrefixCacheSize

TURNS, OUTPUT_TOKENS = 4, 32
SERVER = SimulatedServer(
    ttft_ms=150,
    ms_per_token=20,
    prefill_tokens_per_s=5000,
    prefix_cache=PrefixCacheSize(tokens=10_000_000),
    checks_history=True,
)
QUICK = SimulatedServer(ttft_ms=1, ms_per_token=1)
LINES = 10


class TurnTruth(Struct, frozen=True):
    """One turn: median TTFT (ms) and cached share, by the server's record and by the client's."""

    turn: int
    true_ttft_ms: float
    ttft_ms: float
    true_share: float
    share: float

    @property
    def right(self) -> bool:
        """Whether both are within 1 % of the truth."""
        near = abs(self.ttft_ms / self.true_ttft_ms - 1) <= 0.01
        return near and abs(self.share - self.true_share) <= 0.01 * self.true_share


def scripts(conversations: int, turns: int, words: int) -> Scripts:
    """Conversations whose messages have so many words; no two begin alike."""
    text = "word " * (words - 1)
    return Scripts(
        tuple(
            Script(tuple(f"{number:>6}.{turn} {text}" for turn in range(turns)), (words,) * turns)
            for number in range(conversations)
        )
    )


def converse(
    endpoint: Endpoint,
    run: RunDir,
    shape: Users,
    material: Scripts,
    turns: int,
    tokens: int,
    cores: tuple[int, ...] = (),
    progress: Callable[[Progress], None] | None = None,
) -> CellRun:
    """Have the conversations, without a warm-up, so that truth and report are of the same."""
    traffic = Conversations("talk", output_tokens=tokens, turns=turns)
    return run_cell(
        Cell("talk", 0, 0, shape, traffic=traffic),
        endpoint,
        (),
        run=run,
        material=material,
        repeat=1,
        seed=1,
        prompts_sha256="",
        warmup_per_user=0,
        cores=cores,
        progress=progress,
    )


def turn_truths(base_url: str, run: RunDir) -> list[TurnTruth]:
    """Each turn by the server's record since its last reset, beside the run's own."""
    told = httpx.get(f"{base_url}/stats", trust_env=False).json()["turns"]
    requests = table(run.requests())
    return [
        TurnTruth(
            turn=turn.turn,
            true_ttft_ms=(truth := told[str(turn.turn)])["ttft_ms"]["p50"],
            ttft_ms=turn.ttft_ms_p50 or 0.0,
            true_share=truth["cached_tokens"] / truth["prompt_tokens"],
            share=turn.cached_share or 0.0,
        )
        for turn in turn_summaries(requests[requests["ok"]])
    ]


@contextmanager
def serving(server: SimulatedServer) -> Iterator[tuple[Endpoint, RunDir, Placement]]:
    """A simulated server on a core of its own, and a run's directory for what is asked of it."""
    config = ModelConfig("talk", "Talk", "sim", "openai-chat", "none", server)
    cores = place(1)
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(Path(folder))
        with launch(config, Limits(), log_dir=run.path, cores=cores, session="talk") as running:
            httpx.post(f"{running.endpoint.base_url}/stats/reset", trust_env=False)
            yield running.endpoint, run, cores


def truth(users: int, each: int = 3) -> None:
    """Print each turn's TTFT and cached share, true and reported."""
    with serving(SERVER) as (endpoint, run, cores):
        shape = Users(users, each, spawn_rate_per_s=users / 2)
        material = scripts(users * each, TURNS, 50)
        done = converse(endpoint, run, shape, material, TURNS, OUTPUT_TOKENS, cores.client)
        records = list(run.requests())
        failed = sum(not record.ok for record in records)
        print(f"{users} users, {len(records)} requests, {failed} failed")
        print("turn  TTFT p50 true → reported   cached share true → reported   within 1 %")
        for turn in turn_truths(endpoint.base_url, run):
            print(
                f"{turn.turn:4}  {turn.true_ttft_ms:8.2f} → {turn.ttft_ms:8.2f} ms"
                f"      {turn.true_share:8.2%} → {turn.share:8.2%}"
                f"              {'yes' if turn.right else 'no'}"
            )
        tokens = sum(record.output_tokens or 0 for record in records)
        print(f"{done.client_cpu_ns / tokens / 1e3:.1f} us CPU for each token")


def memory(conversations: int, users: int = 64, turns: int = 2) -> None:
    """Print the client's memory while conversations begin and end."""
    process, seen, lines = psutil.Process(), [], [0]

    def look(progress: Progress) -> None:
        ended, mib = progress.done // turns, process.memory_info().rss / 2**20
        seen.append((ended, mib))
        if ended >= lines[-1]:
            lines.append(lines[-1] + conversations // LINES)
            print(f"{ended:8} conversations {mib:7.1f} MiB", flush=True)

    with serving(QUICK) as (endpoint, run, cores):
        shape, material = Users(users, -(-conversations // users)), scripts(1000, turns, 8)
        converse(endpoint, run, shape, material, turns, 2, cores.client, look)
    ended, sizes = np.array(seen[len(seen) // 2 :]).T
    slope = float(np.polyfit(ended, sizes, 1)[0])
    print(f"{1e5 * slope:+.2f} MiB for 100,000 conversations, over the second half")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=256)
    parser.add_argument("--conversations", type=int, default=100_000)
    options = parser.parse_args()
    if options.users:
        truth(options.users)
    if options.conversations:
        memory(options.conversations)


if __name__ == "__main__":
    main()
