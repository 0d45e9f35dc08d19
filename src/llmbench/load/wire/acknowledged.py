"""What the peer of a connection has received, by what its kernel acknowledged."""

import socket
import sys

TCP_INFO_BYTES_ACKED = slice(120, 128)
"""Where Linux puts that field in its struct tcp_info (linux/tcp.h)."""


def acked_bytes(sock: socket.socket) -> int | None:
    """How many bytes the peer's kernel has acknowledged so far; None where it can't be known."""
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES_ACKED.stop)
    except OSError:  # no TCP, or the socket is gone
        return None
    return int.from_bytes(info[TCP_INFO_BYTES_ACKED], sys.byteorder)
