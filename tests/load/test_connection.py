"""The wire: connections and hostile HTTP, against servers that write bytes as told."""

import asyncio
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmbench.cells import Arrivals, Users
from llmbench.config import ConfigError
from llmbench.load.wire.acknowledged import acked_bytes
from llmbench.load.wire.connection import Connection
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.polling import run_loop
from llmbench.records import Prompt, RequestRecord
from llmbench.store import RunDir
from tests.load.serving import (
    ANSWER,
    DONE,
    Load,
    Script,
    Scripted,
    answering,
    chunk,
    endpoint,
    event,
    read_request,
    response,
)

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def closing_after(raw: bytes) -> Script:
    """Writes `raw` and closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(raw)
        await writer.drain()

    return script


def test_a_connection_is_reused_for_all_requests_of_a_user(load: Load) -> None:
    with Scripted(answering(ANSWER)) as server:
        records = load(endpoint(server.url), Users(2, 5))
    assert [record.error for record in records] == [None] * 10
    assert server.connections == 2
    assert {record.connect_ns for record in records} == {None}


def test_a_fresh_connection_for_each_request_costs_what_it_costs(load: Load) -> None:
    with Scripted(answering(ANSWER)) as server:
        first, *others = load(endpoint(server.url, fresh_connections=True), Users(1, 4))
    assert server.connections == 4
    assert first.connect_ns is None  # opened before the clock started
    assert all(other.connect_ns and other.connect_ns > 0 for other in others)


def test_a_connection_closed_while_idle_is_replaced_before_the_clock_starts(load: Load) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ANSWER)
        await writer.drain()

    with Scripted(script) as server:
        records = load(endpoint(server.url), Arrivals(50.0, "constant", requests=6))
    assert [(record.error, record.resent) for record in records] == [(None, 0)] * 6
    assert server.connections >= 6


def test_a_request_is_sent_once_only_when_the_server_took_it_and_hung_up(load: Load) -> None:
    requests = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        writer.write(ANSWER)
        await read_request(reader)
        requests += 1
        await asyncio.sleep(0.05)

    with Scripted(script) as server:
        first, second = load(endpoint(server.url), Users(1, 2))
    assert (first.error_kind, second.error_kind) == (None, "cut")
    assert requests == 2


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by a reset instead of a close."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize(("ending", "kind"), [(reset, "reset"), (lambda writer: None, "cut")])
def test_what_a_server_took_and_did_not_answer_is_never_sent_again(
    ending: Callable[[asyncio.StreamWriter], None], kind: str, load: Load
) -> None:
    requests = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        for answer in (ANSWER, None):
            await read_request(reader)
            requests += 1
            if answer is None:
                await asyncio.sleep(0.015)
                ending(writer)
            else:
                writer.write(answer)
                await writer.drain()

    with Scripted(script) as server:
        records = load(endpoint(server.url), Users(1, 10))
    assert [(record.error_kind, record.resent) for record in records] == [(None, 0), (kind, 0)] * 5
    assert requests == 10


@pytest.mark.parametrize("resent", [0, 1])
def test_a_request_that_met_the_close_on_its_way_is_given_back_once(
    resent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has closed, and the client sends before it hears of it: nobody took the bytes."""
    monkeypatch.setattr("llmbench.load.wire.connection.IDLE_CHECK_NS", 10**12)

    async def meet() -> Exchange:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            near = socket.create_connection(listening.getsockname())
            far, _ = listening.accept()
        near.setblocking(False)
        over = loop.create_future()
        connection = Connection(loop, near, None, 0, over.set_result)
        exchange = Exchange()
        exchange.resent = resent
        far.close()
        connection.send(b"POST / HTTP/1.1", exchange)
        return await asyncio.wait_for(over, 5)

    exchange = run_loop(meet())
    if resent:
        assert exchange.failure == ("cut", "the server closed the connection before its response")
    else:
        assert (exchange.failure, exchange.sent_ns, exchange.resent) == (None, None, 1)


def test_where_acknowledgements_cannot_be_seen_nothing_is_sent_again() -> None:
    near, far = socket.socketpair()
    assert acked_bytes(near) is None
    near.close()
    far.close()


def test_nobody_there_is_refused(load: Load) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (record,) = load(endpoint(f"http://127.0.0.1:{port}"))
    assert record.error_kind == "refused"
    assert record.error == f"127.0.0.1:{port}: Connection refused"
    assert record.sent_ns is None


def test_a_server_that_accepts_nobody_is_a_connect_timeout(load: Load) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with socket.create_connection(address):
            where = endpoint(f"http://127.0.0.1:{address[1]}", connect_timeout_s=0.1)
            (record,) = load(where)
    assert record.error_kind == "connect_timeout"
    assert record.error == f"127.0.0.1:{address[1]}: no connection within 0.1 s"


@pytest.mark.parametrize(
    ("raw", "kind", "message"),
    [
        (b"", "cut", "the server closed the connection before its response"),
        (ANSWER[:60], "cut", "the server closed the connection in the middle of its response"),
        (b"HTTP/1.1 200 OK\r\n", "cut", "the server closed the connection in the middle of"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "malformed", "not HTTP"),
        (response(event("a") + b"data: {nonsense}\n\n"), "malformed", "not openai-completions"),
        (response(event("a") + event("b")), "cut", "the stream stopped without its end"),
        (response(event("a") + event("b")[:-9]), "cut", "in the middle of an event"),
        (response(DONE), "empty", "the response ended well but held no token"),
        (response(b""), "cut", "the stream stopped without its end"),
        (
            response(ANSWER, b"content-encoding: br\r\n"),
            "malformed",
            "content-encoding br was not asked for",
        ),
        (
            b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n",
            "redirect",
            "HTTP 302 to /login; give the final URL",
        ),
        (
            response(b'{"error":{"message":"no model m"}}', status=b"404 Not Found"),
            "http_4xx",
            "HTTP 404: no model m",
        ),
        (
            response(b"<h1>oops", status=b"502 Bad Gateway"),
            "http_5xx",
            "HTTP 502: oops",
        ),
        (
            response(event("a") + b'data: {"error":{"message":"out of memory"}}\n\n' + DONE),
            "error_event",
            "out of memory",
        ),
        (
            response(event("a") + b'error: {"error":{"message":"slot lost"}}\n\n'),
            "error_event",
            "slot lost",
        ),
    ],
)
def test_failure(raw: bytes, kind: str, message: str, load: Load) -> None:
    with Scripted(closing_after(raw)) as server:
        (record,) = load(endpoint(server.url))
    assert record.error_kind == kind
    assert record.error is not None and message in record.error


@pytest.mark.parametrize(
    "raw",
    [
        ANSWER,
        b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER,
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ANSWER,
        b"HTTP/1.0 200 OK\r\n\r\n" + event("a") + event("b") + DONE,
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + event("a") + event("b") + DONE,
        CHUNKED + b"".join(map(chunk, [event("a"), event("b"), DONE, b""])),
        # all of the answer came, only the message's own end is missing
        CHUNKED + b"".join(map(chunk, [event("a"), event("b"), DONE])),
        # and here something that is no HTTP comes after it
        ANSWER + b"garbage",
    ],
)
def test_success(raw: bytes, load: Load) -> None:
    with Scripted(closing_after(raw)) as server:
        (record,) = load(endpoint(server.url))
    assert (record.error_kind, record.error) == (None, None)
    assert (record.http_status, record.finish_reason, len(record.event_ns)) == (200, "length", 2)


def test_a_connection_with_bytes_after_the_response_is_not_used_again(load: Load) -> None:
    extra = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    with Scripted(answering(ANSWER + extra)) as server:
        records = load(endpoint(server.url), Users(1, 3))
    assert [record.error for record in records] == [None] * 3
    assert server.connections == 3


def test_a_request_larger_than_the_socket_takes_at_once_arrives_whole(load: Load) -> None:
    sizes: list[int] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)  # the client's socket fills meanwhile
        request = await read_request(reader)
        sizes.append(len(request.partition(b"\r\n\r\n")[2]))
        writer.write(ANSWER)
        await writer.drain()

    prompt = Prompt("long " * 2_000_000, 2_000_000)
    with Scripted(script) as server:
        (record,) = load(endpoint(server.url), prompts=[prompt])
    assert record.error is None
    assert 10_000_000 < sizes[0] < 10_001_000


def test_the_api_key_is_sent_and_in_no_file(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heads: list[bytes] = []
    monkeypatch.setenv("MY_KEY", "very-secret")
    where = endpoint("", api_key_env="MY_KEY", headers={"X-Team": "blue"})
    records = _with_head(heads, load, where.client.headers, api_key_env="MY_KEY")
    assert b"authorization: bearer very-secret\r\n" in heads[0].lower()
    assert b"x-team: blue\r\n" in heads[0].lower()
    assert records[0].error is None
    assert all(
        b"very-secret" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


def test_a_path_in_the_url_is_kept(load: Load) -> None:
    heads: list[bytes] = []
    _with_head(heads, load, {}, suffix="/proxy/")
    assert heads[0].startswith(b"POST /proxy/v1/completions HTTP/1.1\r\n")


def _with_head(
    heads: list[bytes],
    load: Load,
    headers: dict[str, str],
    *,
    suffix: str = "",
    **client: str,
) -> list[RequestRecord]:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(ANSWER)
        await writer.drain()

    with Scripted(script) as server:
        return load(endpoint(server.url + suffix, headers=headers, **client))


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://me:pw@host"])
def test_what_is_no_plain_url_is_refused_at_once(url: str, load: Load) -> None:
    with pytest.raises(ConfigError, match=r"endpoint: .*URL"):
        load(endpoint(url))


LIMITED = """
import resource, sys
from pathlib import Path
from llmbench.cells import Arrivals, Cell, Users
from llmbench.config import ConfigError
from llmbench.load import run_cell
from llmbench.store import RunDir
from tests.load.serving import PROMPTS, endpoint

SILENT = {"x-llmbench-fault": "no-first-token"}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
    try:
        run_cell(Cell("m", 8, 8, eval(sys.argv[3])), endpoint(sys.argv[1], headers=SILENT), PROMPTS,
                 run=RunDir(Path(sys.argv[2])), repeat=1, seed=1, prompts_sha256="x",
                 warmup_per_user=0)
    except ConfigError as error:
        sys.exit(f"ConfigError: {error}")
"""


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("Users(100, 1)", r"100 users need about 1\d\d open files in one process, the limit is 80"),
        (
            "Arrivals(400.0, 'constant', requests=400)",
            r"no more connection can be opened, for the limit of open files is 80",
        ),
    ],
)
def test_too_low_a_limit_of_open_files_is_told_and_is_no_refusal(
    shape: str, message: str, simulator: str, tmp_path: Path
) -> None:
    script = tmp_path / "limited.py"
    script.write_text(LIMITED)
    done = subprocess.run(
        [sys.executable, str(script), simulator, str(tmp_path), shape],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert re.match(f"ConfigError: {message}: raise it with ulimit -n", done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
    assert all(record.error_kind != "refused" for record in RunDir(tmp_path).requests())


def test_a_key_that_the_server_echoes_reaches_no_record(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMBENCH_API_KEY", "sesame")
    answer = response(b'{"error": "incorrect API key: sesame"}', status=b"401 Unauthorized")
    with Scripted(answering(answer)) as server:
        (record,) = load(endpoint(server.url))
    assert record.error == "HTTP 401: incorrect API key: ***"
