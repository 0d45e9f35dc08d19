"""The bounds that no server can stretch: a deadline for all requests, a limit to each body."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from llmbench.records import ClientSettings
from llmbench.servers.readiness.http import BODY_BYTES, TooLargeError, get, http_client

HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def serving(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that reads a request and leaves the rest to `answer`; its URL."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                answer(connection, over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join(10)


def dripping(first: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Sends `first`, then a byte every 20 ms for as long as it may."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        try:
            connection.sendall(first)
            while not over.wait(0.02):
                connection.sendall(b"x")
        except OSError:
            return

    return answer


@pytest.mark.parametrize("first", [HEAD, HEAD + b"content-length: 100000\r\n\r\n"])
def test_a_server_that_drips_is_left_at_the_deadline(first: bytes) -> None:
    with serving(dripping(first)) as url, http_client(url, ClientSettings(), 0.4) as http:
        began = time.monotonic()
        with pytest.raises(httpx.ReadTimeout, match=r"timed out|the time for all"):
            get(http, "/health")
        assert time.monotonic() - began >= 0.35


def test_a_body_without_end_is_left_at_its_limit() -> None:
    def answer(connection: socket.socket, over: threading.Event) -> None:
        try:
            connection.sendall(HEAD + b"content-length: 1000000000\r\n\r\n")
            while not over.is_set():
                connection.sendall(b"x" * 65536)
        except OSError:
            return

    with (
        serving(answer) as url,
        http_client(url, ClientSettings(), 30) as http,
        pytest.raises(TooLargeError, match="its body is larger than 4 MiB"),
    ):
        get(http, "/info")


def test_a_small_body_that_expands_without_end_is_left_at_its_limit() -> None:
    bomb = gzip.compress(b"\0" * (64 * BODY_BYTES))

    def answer(connection: socket.socket, over: threading.Event) -> None:
        head = b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
        connection.sendall(HEAD + head + bomb)

    with (
        serving(answer) as url,
        http_client(url, ClientSettings(), 30) as http,
        pytest.raises(TooLargeError),
    ):
        get(http, "/info")


def test_a_compressed_page_is_read() -> None:
    page = gzip.compress(b'{"version": "1"}')

    def answer(connection: socket.socket, over: threading.Event) -> None:
        head = b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(page)
        connection.sendall(HEAD + head + page)

    with serving(answer) as url, http_client(url, ClientSettings(), 30) as http:
        response, body = get(http, "/version")
    assert (response.status_code, body) == (200, b'{"version": "1"}')


def test_a_page_that_is_no_gzip_is_told() -> None:
    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nno")

    with (
        serving(answer) as url,
        http_client(url, ClientSettings(), 30) as http,
        pytest.raises(httpx.DecodingError, match="its body can't be decompressed"),
    ):
        get(http, "/version")
