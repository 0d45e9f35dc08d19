"""Where a drill takes place: a folder with a benchmark, its session, and all that this starts."""

import asyncio
import os
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil

from llmbench.records import CellRun, Launch
from llmbench.servers.docker.engine import NoEngine, connect
from llmbench.servers.docker.reaper import PID
from llmbench.store import RunDir
from tests.acceptance.conftest import word_tokenizer
from tests.processes import running_python

Flavour = Literal["launched", "found", "relayed", "container"]

USERS, REQUESTS = (4, 8), 25
IMAGE = "llmbench-llama.cpp:latest"
MARK = "LLMBENCH_DRILL"
"""The variable by which all processes of a site are known, whoever their parent is by now."""

SERVERS: dict[Flavour, str] = {
    "launched": 'kind = "simulated"\nttft_ms = 20\nms_per_token = 5',
    "found": 'kind = "remote"\nurl = "{url}"',
    "relayed": 'kind = "remote"\nurl = "{url}"',
    "container": f'kind = "docker"\nimage = "{IMAGE}"\nport = 8080\n'
    'entrypoint = "/server/bin/python"\ncommand = ["/drill/drill_server.py"]\n'
    'volumes = {{ "{here}" = "/drill:ro" }}\ncores = 1\nmemory = "256m"\nstart_timeout_s = 30',
}

MODEL = """
title = "Under drill"
model = "sim"
api = "openai-completions"
tokenizer = "tokenizer.json"

[server]
{server}

[client]
connect_timeout_s = 3
first_token_timeout_s = 3
between_tokens_timeout_s = 3
request_timeout_s = 6

[grid]
input_tokens = [16]
output_tokens = [8]
users = [{users}]
requests = {requests}
"""

BENCHMARK = """
import pytest

@pytest.mark.llm("grid")
def test_grid(llm_bench, cell):
    result = llm_bench.run(cell)
    assert result.valid, result.why
"""


class Site:
    """A folder in which sessions run against a server of one flavour."""

    def __init__(self, path: Path, flavour: Flavour, url: str = "", truth: str = "") -> None:
        self.path, self._token = path, secrets.token_hex(8)
        self._found, self._truth = bool(url), truth or url  # where /stats is; empty: at the server
        self.finished: dict[int, int] = {}  # by each server's start: what it said at last
        self._pids: list[int] = []
        users = ", ".join(map(str, USERS))
        server = SERVERS[flavour].format(url=url, here=Path(__file__).parent)
        (path / "models").mkdir(parents=True)
        text = MODEL.format(server=server, users=users, requests=REQUESTS)
        (path / "models" / "sim.toml").write_text(text, encoding="utf-8")
        (path / "tokenizer.json").write_text(word_tokenizer(), encoding="utf-8")
        ini = f"[pytest]\nllm_models_dir = models\nllm_prompts_dir = {_prompts().name}\n"
        (path / "pytest.ini").write_text(ini, encoding="utf-8")
        (path / "test_bench.py").write_text(BENCHMARK, encoding="utf-8")

    def session(self, *options: str, **settings: Any) -> "subprocess.Popen[bytes]":
        """A session in the background; what it prints is `printed`."""
        arguments = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
        environment = os.environ | {MARK: self._token}
        with (self.path / "session.log").open("ab") as log:
            process = subprocess.Popen(
                arguments,
                cwd=self.path,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **settings,
            )
        self._pids.append(process.pid)
        return process

    @property
    def printed(self) -> str:
        return (self.path / "session.log").read_text(encoding="utf-8", errors="replace")

    @property
    def run(self) -> RunDir | None:
        """The run directory, once the session has made it."""
        runs = self.path / "reports" / "runs"
        made = [path.parent for path in runs.glob("*/run.json") if path.parent.name != "latest"]
        return RunDir(min(made)) if made else None

    def starts(self) -> list[CellRun]:
        return self.run.cell_starts() if self.run else []

    def launch(self) -> Launch:
        """What the running cell's server was launched as."""
        return self.starts()[-1].endpoint.launch

    def measures(self) -> bool:
        """Whether a request was measured (its warm-up is over)."""
        return self.run is not None and any(r.phase == "measured" for r in self.run.requests())

    def is_measured(self) -> bool:
        """Whether all cells have ended, and only the report is to come."""
        return self.run is not None and len(self.run.cell_runs()) == len(USERS)

    def recorded(self) -> int:
        """The requests of which the run tells that the server was sent them."""
        requests = self.run.requests() if self.run else ()
        return sum(1 + r.resent for r in requests if r.sent_ns is not None)

    def gaps(self) -> int:
        """The requests of a user that are not in the journal although a later one is."""
        last: dict[tuple[str, int], int] = {}
        records = list(self.run.requests()) if self.run else []
        for record in records:
            key = record.cell, record.user
            last[key] = max(last.get(key, 0), record.request)
        return sum(last.values()) - len(records)

    def look(self) -> None:
        """Note what the server of the running cell says that it has finished."""
        with suppress(httpx.HTTPError, OSError, IndexError):
            endpoint = self.starts()[-1].endpoint
            said = httpx.get(
                f"{self._truth or endpoint.base_url}/stats", timeout=1, trust_env=False
            )
            self.finished[endpoint.launch.started_ns] = said.json()["requests"]

    def processes(self) -> list[psutil.Process]:
        """The processes of this site that still run."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                ended = process.status() == psutil.STATUS_ZOMBIE
                if not ended and process.environ().get(MARK) == self._token:
                    found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        """Its load generating processes beside the session's own."""
        return [p for p in self.processes() if "spawn_main" in " ".join(p.cmdline())]

    def ports(self) -> list[str]:
        """Addresses of servers that it launched where something still listens."""
        urls = {start.endpoint.base_url for start in self.starts() if not self._found}
        return [url for url in urls if _listens(url)]

    def containers(self) -> list[Any]:
        """The containers that its sessions started."""
        with engine() as client:
            found = [
                client.containers.list(all=True, filters={"label": f"{PID}={pid}"})
                for pid in self._pids
            ]
        return [container for each in found for container in each]


@cache
def _prompts() -> "tempfile.TemporaryDirectory[str]":
    """Where all sites keep the prompts, which are the same, so that they are made once."""
    return tempfile.TemporaryDirectory()


@contextmanager
def engine() -> Iterator[Any]:
    """A client of the Docker Engine; `NoEngine` where none answers."""
    client = connect()
    try:
        yield client
    finally:
        client.close()


def engine_missing() -> str | None:
    """Why no container can be drilled here."""
    from docker.errors import ImageNotFound

    try:
        with engine() as client:
            client.images.get(IMAGE)
    except NoEngine as error:
        return str(error)
    except ImageNotFound:
        return f"no image {IMAGE}"
    return None


@contextmanager
def found_server() -> Iterator["subprocess.Popen[str]"]:
    """A simulator that no session starts or ends."""
    options = ("--port", "0", "--ttft-ms", "20", "--ms-per-token", "5")
    with running_python("-m", "llmbench.cli", "simulate", *options) as process:
        yield process


def url_of(process: "subprocess.Popen[str]") -> str:
    """The address that a simulator tells as it starts."""
    assert process.stdout is not None
    return process.stdout.readline().split()[3]


class Relay(AbstractContextManager["Relay"]):
    """The network between a session and a server, on a thread of its own."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._loop = asyncio.new_event_loop()
        self._lines: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Relay":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self.do(self._stop.set)
        self._thread.join()

    def do(self, what: Callable[[], object]) -> None:
        """Have its thread do something."""
        self._loop.call_soon_threadsafe(what)

    def reset(self) -> None:
        """Reset every connection, with what is under way."""
        for line in self._lines:
            sock = line.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.transport.abort()

    def hold(self) -> None:
        """Let nothing pass any more."""
        self._open.clear()

    def let(self) -> None:
        """Let all pass again."""
        self._open.set()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop, self._open = asyncio.Event(), asyncio.Event()
        self._open.set()
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        self._lines.add(writer)
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except OSError:  # reset
            pass
        finally:
            self._lines.discard(writer)
            writer.close()
            back.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._open.wait()
            sink.write(data)
            await sink.drain()
        with suppress(OSError):
            sink.write_eof()


def _listens(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex((host, int(port))) == 0


def wait_for(what: Callable[[], bool], seconds: float, period_s: float = 0.05) -> bool:
    """Whether it comes to hold within that time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(period_s)
    return True
