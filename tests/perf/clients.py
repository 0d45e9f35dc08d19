"""This instrument beside plain httpx and aiohttp streams: python tests/perf/clients.py

The same closed loop against the simulator (50 ms to the first token, one each 20 ms) with the
server on one core and the client on another. Prints for each client what it reports against the
server's own record of that run, its CPU time for each token, and the ratios to ours.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import msgspec
from msgspec import Struct

from llmbench.apis import dialect
from llmbench.apis.protocol import Ask
from llmbench.cells import Cell, Limits, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.load.cell import run_cell
from llmbench.process import pinned
from llmbench.records import Endpoint, Prompt
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place
from llmbench.store import RunDir

TOKENS = 64
REQUEST_S = (50 + 20 * (TOKENS - 1)) / 1e3
PROMPTS = [Prompt(f"abc {number} " * 40, 128) for number in range(1000)]
SPEAKS = dialect("openai-completions")


class Seen(Struct, frozen=True):
    """What a client reports, in milliseconds, and what it cost."""

    ttft_ms: list[float]
    gap_ms: list[float]
    tokens: int
    cpu_s: float


Lines = Callable[[dict[str, Any]], AsyncIterator[bytes]]


def ours(endpoint: Endpoint, users: int, requests: int, cores: tuple[int, ...]) -> Seen:
    run = RunDir(Path(tempfile.mkdtemp()))
    shape = Users(users, requests, spawn_rate_per_s=users / REQUEST_S)
    cell = Cell("clients", 128, TOKENS, shape)
    done = run_cell(
        cell, endpoint, PROMPTS, run=run, repeat=1, seed=0, prompts_sha256="", cores=cores
    )
    records = list(run.requests(cell.id))
    measured = [record for record in records if record.phase == "measured" and record.ok]
    return Seen(
        [(r.first_token_ns - r.sent_ns) / 1e6 for r in measured if r.first_token_ns and r.sent_ns],
        [(b - a) / 1e6 for r in measured for a, b in zip(r.event_ns, r.event_ns[1:], strict=False)],
        sum(record.output_tokens or 0 for record in records),
        done.client_cpu_ns / 1e9,
    )


async def user(number: int, users: int, requests: int, lines: Lines, seen: Seen) -> int:
    """One user of a plain client: its first request warms up and is not counted."""
    await asyncio.sleep(REQUEST_S * number / users)
    tokens = 0
    for request in range(requests + 1):
        prompt = PROMPTS[(request * users + number) % len(PROMPTS)]
        body = SPEAKS.body(Ask(prompt.text, TOKENS, "sim", unique=f"{number}-{request}"))
        began = last = time.perf_counter()
        first = True
        async for line in lines(body):
            if not line.startswith(b"data: ") or not SPEAKS.event(line[6:]).text:
                continue
            now = time.perf_counter()
            tokens += 1
            if request:
                (seen.ttft_ms if first else seen.gap_ms).append((now - last) * 1e3)
            first, last = False, now
        assert not first, began
    return tokens


async def with_httpx(url: str, run: Callable[[Lines], Awaitable[int]]) -> int:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:

        async def lines(body: dict[str, Any]) -> AsyncIterator[bytes]:
            async with client.stream("POST", url, content=msgspec.json.encode(body)) as response:
                async for line in response.aiter_lines():
                    yield line.encode()

        return await run(lines)


async def with_aiohttp(url: str, run: Callable[[Lines], Awaitable[int]]) -> int:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:

        async def lines(body: dict[str, Any]) -> AsyncIterator[bytes]:
            async with client.post(url, data=msgspec.json.encode(body)) as response:
                async for line in response.content:
                    yield line.rstrip()

        return await run(lines)


def plain(name: str, url: str, users: int, requests: int, cores: tuple[int, ...]) -> Seen:
    seen = Seen([], [], 0, 0.0)

    async def run(lines: Lines) -> int:
        return sum(
            await asyncio.gather(*(user(n, users, requests, lines, seen) for n in range(users)))
        )

    gc.collect()
    with pinned(cores):
        began = time.thread_time()
        tokens = asyncio.run({"httpx": with_httpx, "aiohttp": with_aiohttp}[name](url, run))
        cpu_s = time.thread_time() - began
    return Seen(seen.ttft_ms, seen.gap_ms, tokens, cpu_s)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", default="64,256")
    parser.add_argument("--requests", type=int, default=2)
    options = parser.parse_args()
    server = SimulatedServer(slots=4096)
    config = ModelConfig("clients", "Clients", "sim", SPEAKS.name, "none", server)
    cores = place(1)
    folder = Path(tempfile.mkdtemp())
    print(f"server on cores {cores.server}, client on {cores.client} {cores.note or ''}")
    head = "users client    TTFT p50   p99 (truth p50   p99)  gap p99 (truth)  us/token  x ours"
    print(head)
    with launch(config, Limits(), log_dir=folder, cores=cores, session="clients") as running:
        base = running.endpoint.base_url
        for users in map(int, options.users.split(",")):
            own_us = 0.0
            for name in ("ours", "aiohttp", "httpx"):
                httpx.post(f"{base}/stats/reset", trust_env=False)
                if name == "ours":
                    seen = ours(running.endpoint, users, options.requests, cores.client)
                else:
                    url = f"{base}/v1/completions"
                    seen = plain(name, url, users, options.requests, cores.client)
                truth = httpx.get(f"{base}/stats", trust_env=False).json()
                us = seen.cpu_s / seen.tokens * 1e6
                own_us = us if name == "ours" else own_us
                print(
                    f"{users:5} {name:8} {percentile(seen.ttft_ms, 0.5):9.2f} "
                    f"{percentile(seen.ttft_ms, 0.99):6.2f} "
                    f"{truth['ttft_ms']['p50']:11.2f} {truth['ttft_ms']['p99']:6.2f} "
                    f"{percentile(seen.gap_ms, 0.99):9.2f} {truth['itl_ms']['p99']:7.2f} "
                    f"{us:10.1f} {us / own_us:7.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
