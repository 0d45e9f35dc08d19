"""A client's connection, which reads requests with the kernel's time stamp and writes at once."""

import contextlib
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools
from msgspec import Struct

from llmbench.clock import offset_ns
from llmbench.simulator.reactor import Reactor

READ_BYTES = 262_144  # so that a prompt of 60,000 tokens comes in one read
SO_TIMESTAMPNS = 35  # Linux's socket option, which the socket module doesn't name
HAS_STAMPS = sys.platform == "linux"


class Request(Struct, frozen=True):
    """A whole request and the time at which its last byte reached the socket (monotonic)."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    received_ns: int


class ClientConnection:
    """A `completions.ClientLine` over a socket that never blocks."""

    def __init__(
        self,
        sock: socket.socket,
        reactor: Reactor,
        handle: Callable[["ClientConnection", Request], None],
    ) -> None:
        self.gone = False
        self._sock = sock
        self._reactor = reactor
        self._handle = handle
        self._parser: Any = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._unsent = b""
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._closing = False
        self._stamp_ns = 0
        self._keep_alive = True
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if HAS_STAMPS:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        reactor.watch(sock, self._ready)

    # httptools calls these methods

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        url = httptools.parse_url(self._url)
        self._keep_alive = bool(self._parser.should_keep_alive())
        self._request = Request(
            self._parser.get_method().decode(),
            url.path.decode(),
            (url.query or b"").decode(),
            self._headers,
            b"".join(self._body),
            self._keep_alive,
            self._stamp_ns,
        )

    # answers call these methods

    def send(self, data: bytes) -> None:
        """Send `data` after all that was sent before."""
        if self._pieces or self._unsent or self.gone:
            self._later(data)
            return
        try:
            sent = self._sock.send(data)
        except OSError:
            sent = 0  # _write finds out what it was
        if sent != len(data):
            self._write(data[sent:])

    def _later(self, data: bytes) -> None:
        """Keep `data` until all that comes before it has been sent."""
        if self._pieces:
            self._pieces.append((0, data))
        else:
            self._write(data)

    def dribble(self, pieces: list[bytes], gap_ns: int) -> None:
        """Send `pieces`, `gap_ns` after one another."""
        idle = not self._pieces
        self._pieces.extend((gap_ns, piece) for piece in pieces)
        if idle:
            self._next_piece()

    def answered(self) -> None:
        """Note that the answer is whole; close the connection unless it is to be kept alive."""
        if not self._keep_alive:
            self.close()

    def close(self) -> None:
        """Close the connection once all is sent."""
        self._closing = True
        self._close_if_sent()

    def reset(self) -> None:
        """Reset the connection at once, with RST instead of FIN."""
        if not self.gone:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._drop()

    # the reactor and the timers call these methods

    def _ready(self, mask: int) -> None:
        """Read from the socket, and write again what it did not take before."""
        if self._unsent:
            self._write(b"")
        if not self.gone:
            self._read()

    def _read(self) -> None:
        try:
            data, ancillary, _flags, _address = self._sock.recvmsg(READ_BYTES, 64)
        except BlockingIOError:
            return
        except OSError:
            self._drop()
            return
        if not data:
            self._drop()
            return
        self._stamp_ns = _stamp_ns(ancillary)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._drop()
            return
        if self._request is not None:  # not inside feed_data, which would hide exceptions
            request, self._request = self._request, None
            self._handle(self, request)

    def _write(self, data: bytes) -> None:
        """Give the kernel as much as it takes, and the rest once it takes more."""
        if self.gone:
            return
        if self._unsent:
            data = self._unsent + data
        try:
            sent = self._sock.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop()
            return
        if sent == len(data):
            if self._unsent:
                self._unsent = b""
                self._reactor.watch(self._sock, self._ready)
            if self._closing:
                self._close_if_sent()
        else:
            self._unsent = data[sent:]
            self._reactor.watch(self._sock, self._ready, writing=True)

    def _next_piece(self) -> None:
        """Send the first piece, and the next ones after their gaps."""
        while self._pieces and not self.gone:
            gap_ns, piece = self._pieces[0]
            self._write(piece)
            self._pieces.popleft()
            if gap_ns and self._pieces:
                self._pieces.appendleft((0, b""))  # `send` queues meanwhile
                self._reactor.call_at(time.monotonic_ns() + gap_ns, self._after_gap)
                return
        self._close_if_sent()

    def _after_gap(self) -> None:
        if self._pieces:
            self._pieces.popleft()
            self._next_piece()

    def _close_if_sent(self) -> None:
        if self._closing and not self._unsent and not self._pieces:
            self._drop()

    def _drop(self) -> None:
        """Let go of the socket and of all that is still to be sent, since nobody reads it."""
        if self.gone:
            return
        self.gone = True
        self._pieces.clear()
        with contextlib.suppress(KeyError, ValueError):
            self._reactor.forget(self._sock)
        self._sock.close()
        self._parser = None  # it refers to this connection, which would make a cycle


def _stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The time at which the data reached the socket (monotonic), from the kernel if it says so."""
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", value[:16])
            return int(seconds * 1_000_000_000 + nanoseconds - offset_ns())
    return time.monotonic_ns()
