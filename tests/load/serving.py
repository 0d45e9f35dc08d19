"""What the instrument's tests load: cells against real servers that write bytes as told."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from llmbench.cells import AnswerSchema, Cell, Shape, Users
from llmbench.load.cell import run_cell
from llmbench.records import CellRun, ClientSettings, Endpoint, Launch, Prompt, RequestRecord
from llmbench.store import RunDir
from llmbench.value_types import Images

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PROMPTS = [Prompt(f"Tell me of the number {number}.", 8) for number in range(50)]


def endpoint(url: str, api: Any = "openai-completions", **client: Any) -> Endpoint:
    return Endpoint(url, api, "sim", True, Launch("remote", 0), ClientSettings(**client))


class Load:
    """Runs cells into one run directory."""

    def __init__(self, path: Path) -> None:
        self.run = RunDir(path)
        self.cell_run: CellRun | None = None
        self._repeat = 0

    def __call__(self, where: Endpoint, *what: Shape, **options: Any) -> list[RequestRecord]:
        """The records of one repeat of a cell, by user and request."""
        cell_id = self.keep(where, *what, **options).cell_id
        records = [r for r in self.run.requests(cell_id) if r.repeat == self._repeat]
        return sorted(records, key=lambda record: (record.user, record.request))

    def keep(
        self,
        where: Endpoint,
        shape: Shape | None = None,
        *,
        output_tokens: int = 8,
        inputs: int = 1,
        schema: AnswerSchema | None = None,
        images: Images | None = None,
        prompts: Sequence[Prompt] = PROMPTS,
        **options: Any,
    ) -> CellRun:
        """Run one repeat of a cell; its records are on disk."""
        self._repeat += 1
        users = shape or Users(1, 1)
        cell = Cell("sim", 8, output_tokens, users, inputs=inputs, schema=schema, images=images)
        known: dict[str, Any] = {"warmup_per_user": 0, "seed": 1, "prompts_sha256": "x"}
        self.cell_run = run_cell(
            cell, where, prompts, run=self.run, repeat=self._repeat, **(known | options)
        )
        return self.cell_run


class Scripted:
    """A server on a thread of its own that runs a script for each connection."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._script, self._tls = script, tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def url(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> "Scripted":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._one, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The next request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or 0))


def event(text: str) -> bytes:
    return b'data: {"choices":[{"text":"%b"}]}\n\n' % text.encode()


DONE = b'data: {"choices":[{"text":"","finish_reason":"length"}]}\n\ndata: [DONE]\n\n'


def response(body: bytes, head: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """A whole response with a content length."""
    length = b"content-length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + head + length + b"\r\n" + body


def chunk(data: bytes) -> bytes:
    """`data` in HTTP's chunked framing; the empty one is the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


ANSWER = response(event("a") + event("b") + DONE)


def answering(*answers: bytes) -> Script:
    """Writes the given answers one after another, for ever, on each connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            for answer in answers:
                await read_request(reader)
                writer.write(answer)
                await writer.drain()

    return script
