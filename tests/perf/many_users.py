"""A thousand users at 10 ms a token, on one core, and two thousand with two workers:

    python -m tests.perf.many_users

The server (50 ms to the first token, then one each 10 ms) has a core of its own. Prints what this
client and a plain aiohttp client report beside the server's own record of the same run, with the
range that our p99 may lie in where first tokens were read together with later data, and how late
the server itself was. A row that needs more cores than there are is named and left out.
"""

import argparse
import tempfile
from pathlib import Path

import httpx
from msgspec import Struct

from llmbench.cells import Cell, Limits, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.load.cell import run_cell
from llmbench.records import Endpoint
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import Placement, place
from llmbench.servers.placement.sysfs import usable_cores
from llmbench.store import RunDir
from tests.perf.clients import PROMPTS, SPEAKS, TOKENS, percentile, plain

TTFT_MS, MS_PER_TOKEN = 50.0, 10.0
REQUEST_S = (TTFT_MS + MS_PER_TOKEN * (TOKENS - 1)) / 1e3


class Reported(Struct, frozen=True):
    """TTFT in ms, as a client reports it. `p99_low`: by the earliest that its stamps allow."""

    p50: float
    p99: float
    p99_low: float
    failed: int
    us_per_token: float


def ours(endpoint: Endpoint, users: int, workers: int, requests: int, cores: Placement) -> Reported:
    """One cell of this client."""
    run = RunDir(Path(tempfile.mkdtemp()))
    cell = Cell("many", 128, TOKENS, Users(users, requests, spawn_rate_per_s=users / REQUEST_S))
    done = run_cell(
        cell,
        endpoint,
        PROMPTS,
        run=run,
        repeat=1,
        seed=0,
        prompts_sha256="",
        cores=cores.client,
        workers=workers,
    )
    records = list(run.requests(cell.id))
    good = [r for r in records if r.phase == "measured" and r.first_token_ns and r.sent_ns and r.ok]
    latest = [(r.first_token_ns - r.sent_ns) / 1e6 for r in good]  # type: ignore[operator]
    earliest = [(r.first_token_earliest_ns - r.sent_ns) / 1e6 for r in good]  # type: ignore[operator]
    tokens = sum(record.output_tokens or 0 for record in records)
    return Reported(
        percentile(latest, 0.5),
        percentile(latest, 0.99),
        percentile(earliest, 0.99),
        len(records) - sum(record.ok for record in records),
        done.client_cpu_ns / 1e3 / tokens,
    )


def with_aiohttp(endpoint: Endpoint, users: int, requests: int, cores: Placement) -> Reported:
    """The same load by a plain client, which has no bounds."""
    seen = plain("aiohttp", f"{endpoint.base_url}/v1/completions", users, requests, cores.client)
    p99 = percentile(seen.ttft_ms, 0.99)
    return Reported(percentile(seen.ttft_ms, 0.5), p99, p99, 0, seen.cpu_s / seen.tokens * 1e6)


def line(users: int, workers: int, name: str, found: Reported, base_url: str) -> str:
    """A row of the table; the truth is the server's record since its last reset."""
    truth = httpx.get(f"{base_url}/stats", trust_env=False).json()
    p50, p99 = truth["ttft_ms"]["p50"], truth["ttft_ms"]["p99"]
    holds = abs(found.p50 / p50 - 1) <= 0.01 and found.p99_low * 0.95 <= p99 <= found.p99 * 1.05
    return (
        f"{users:5} {workers:7} {name:8} {p50:6.2f} → {found.p50:7.2f}   "
        f"{p99:6.2f} → {found.p99_low:7.2f}-{found.p99:7.2f} {found.failed:6} "
        f"{found.us_per_token:8.1f} {truth['lateness_ms']['p99']:8.2f}  {'yes' if holds else 'no'}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", default="1000:1,2000:2", help="users:workers, …")
    parser.add_argument("--requests", type=int, default=4)
    options = parser.parse_args()
    server = SimulatedServer(ttft_ms=TTFT_MS, ms_per_token=MS_PER_TOKEN, slots=4096)
    config = ModelConfig("many", "Many", "sim", SPEAKS.name, "none", server)
    print(
        "users workers client   TTFT p50 true → reported   p99 true → reported    failed "
        "us/token late p99  within 1 % and 5 %"
    )
    for users, workers in (map(int, load.split(":")) for load in options.loads.split(",")):
        if len(usable_cores()) < workers + 1:
            print(f"{users:5} {workers:7} left out: it needs {workers + 1} cores")
            continue
        cores = place(1, workers=workers)
        folder = Path(tempfile.mkdtemp())
        with launch(config, Limits(), log_dir=folder, cores=cores, session="many") as running:
            endpoint = running.endpoint
            for name in ("ours", "aiohttp"):
                httpx.post(f"{endpoint.base_url}/stats/reset", trust_env=False)
                if name == "ours":
                    found = ours(endpoint, users, workers, options.requests, cores)
                else:
                    found = with_aiohttp(endpoint, users, options.requests, cores)
                print(line(users, workers, name, found, endpoint.base_url), flush=True)


if __name__ == "__main__":
    main()
