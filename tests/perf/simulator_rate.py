"""What a simulated token costs the server, and how late it is: python tests/perf/simulator_rate.py

Drives it with the barest client there is (one epoll loop on another core) and prints, for each
load and batching, tokens/s, the server's CPU time for each token and its own lateness.
"""

import argparse
import os
import selectors
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from llmbench.apis import dialect
from llmbench.apis.protocol import Ask
from llmbench.cells import Limits
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.process import pin
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import place

TOKENS = 64
REQUEST_S = (50 + 20 * (TOKENS - 1)) / 1e3


def request() -> bytes:
    """One request for a stream of `TOKENS` tokens, as it goes over the wire."""
    ask, speaks = Ask("abc " * 128, TOKENS, "m"), dialect("openai-completions")
    body = msgspec.json.encode(speaks.body(ask))
    head = f"POST {speaks.path(ask)} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def drive(port: int, users: int, requests: int) -> None:
    """`users` streams at a time, each `requests` times; they begin evenly over one request."""
    ask = request()
    selector = selectors.DefaultSelector()
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(users)]
    left = dict.fromkeys(socks, requests)
    for sock in socks:
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ)
    begun, began = 0, time.monotonic()
    while left:
        while begun < users and time.monotonic() >= began + REQUEST_S * begun / users:
            socks[begun].send(ask)
            begun += 1
        for key, _mask in selector.select(0.0005 if begun < users else 1):
            it: Any = key.fileobj
            if not it.recv(65536).endswith(b"0\r\n\r\n"):
                continue
            left[it] -= 1
            if left[it]:
                it.send(ask)
            else:
                del left[it]
    for sock in socks:
        sock.close()


def measure(users: int, batching: Any) -> str:
    """One load, as a row of the table."""
    server = SimulatedServer(batching=batching)
    config = ModelConfig("sim", "", "m", "openai-completions", "", server)
    cores = place(1)
    before = os.sched_getaffinity(0)
    with (
        tempfile.TemporaryDirectory() as folder,
        launch(config, Limits(), log_dir=Path(folder), cores=cores, session="perf") as running,
    ):
        url = running.endpoint.base_url
        httpx.post(f"{url}/stats/reset")
        process = psutil.Process(running.endpoint.launch.pid)
        pin(cores.client)
        cpu_s, began = sum(process.cpu_times()[:2]), time.monotonic()
        drive(int(url.rsplit(":", 1)[1]), users, 4)
        wall_s, cpu_s = time.monotonic() - began, sum(process.cpu_times()[:2]) - cpu_s
        pin(tuple(before))
        stats = httpx.get(f"{url}/stats", timeout=60).json()
    ttft, late = stats["ttft_ms"], stats["lateness_ms"]
    return (
        f"{users:>6} {batching:>8} {stats['tokens'] / wall_s:>9.0f} "
        f"{cpu_s / stats['tokens'] * 1e6:>13.1f} {cpu_s / wall_s:>6.0%} "
        f"{ttft['p50']:>8.2f} {ttft['p99']:>8.2f} {late['p50']:>9.3f} {late['p99']:>9.3f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", default="64,256,1024")
    users = [int(number) for number in parser.parse_args().users.split(",")]
    print(" users batching  tokens/s  CPU us/token   core TTFT p50 TTFT p99  late p50  late p99")
    for number in users:
        for batching in ("spread", "beat"):
            print(measure(number, batching), flush=True)


if __name__ == "__main__":
    main()
