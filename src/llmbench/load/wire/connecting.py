"""Opens connections; only the opening itself is timed here."""

import asyncio
import socket
import sys
from collections.abc import Callable
from time import monotonic_ns

from llmbench.load.wire.connection import READ_BYTES, Connection
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.target import Target
from llmbench.load.wire.tls import Tls

SO_TIMESTAMPNS = 35  # linux/asm-generic/socket.h; the same number is its SCM_TIMESTAMPNS


async def connect(target: Target, done: Callable[[Exchange], None]) -> Connection:
    """Open a connection, TLS included; raises OSError, ssl.SSLError or TimeoutError."""
    loop = asyncio.get_running_loop()
    began = monotonic_ns()
    async with asyncio.timeout(target.endpoint.client.connect_timeout_s):
        sock = await _open_socket(loop, target)
        try:
            tls = None if target.tls is None else await _handshake(loop, sock, target)
        except BaseException:
            sock.close()
            raise
    return Connection(loop, sock, tls, monotonic_ns() - began, done)


async def _open_socket(loop: asyncio.AbstractEventLoop, target: Target) -> socket.socket:
    """A connected socket to the first of the target's addresses that answers."""
    failure: OSError | None = None
    for family, address in target.addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if sys.platform == "linux":
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            await loop.sock_connect(sock, address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure or OSError(f"{target.host}: no address")


async def _handshake(loop: asyncio.AbstractEventLoop, sock: socket.socket, target: Target) -> Tls:
    assert target.tls is not None
    tls = Tls(target.tls, target.host)
    received = b""
    while True:
        outgoing, over = tls.handshake(received)
        if outgoing:
            await loop.sock_sendall(sock, outgoing)
        if over:
            return tls
        received = await loop.sock_recv(sock, READ_BYTES)
        if not received:
            raise ConnectionResetError("the server closed the connection during the TLS handshake")
