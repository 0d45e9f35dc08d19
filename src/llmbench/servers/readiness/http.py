"""The HTTP client for all that is not timed: readiness, a server's description, its metrics.

It keeps bounds that no server can stretch: one deadline for everything it does, however slowly
bytes drip, and a limit on every body, however well that was compressed.
"""

import time
import zlib
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

from llmbench.access import request_headers, tls_context
from llmbench.records import ClientSettings

BODY_BYTES = 4 * 2**20
"""The most that is read of any page; the metrics of a large engine take some hundred KiB."""

_COMPRESSED = {"gzip": 31, "x-gzip": 31, "deflate": 47}  # zlib's window bits for each


class TooLargeError(httpx.DecodingError):
    """The body was longer than its bound."""


class Deadline:
    """The moment at which a client's requests must have ended, `timeout_s` from now."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.renew()

    def renew(self) -> None:
        """Give the requests that follow the whole time again."""
        self._at_s = time.monotonic() + self._timeout_s

    def left(self, timeout_s: float | None, late: type[Exception]) -> float:
        """The time that is left for one operation; raises `late` where none is left."""
        left_s = self._at_s - time.monotonic()
        if left_s <= 0:
            raise late("the time for all requests together is over")
        return left_s if timeout_s is None else min(timeout_s, left_s)


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation ends at the client's deadline at the latest."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *args: Any, **named: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(*args, **named), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """Opens connections that end at the client's deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **named: Any
    ) -> httpcore.NetworkStream:
        left_s = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left_s, *args, **named), self._deadline)


def http_client(
    base_url: str, settings: ClientSettings, timeout_s: float, deadline: Deadline | None = None
) -> httpx.Client:
    """A client for `base_url` with the settings' TLS, headers and API key, but without proxies.

    `timeout_s` is for all of its requests together, unless a `deadline` is given that is renewed.
    """
    secure = base_url.startswith("https:")
    context = tls_context(settings) if secure else None
    transport = httpx.HTTPTransport(verify=context or False, trust_env=False)
    # httpx has no public way to hand its connection pool a network backend
    transport._pool = httpcore.ConnectionPool(
        ssl_context=context, network_backend=_Backend(deadline or Deadline(timeout_s))
    )
    return httpx.Client(
        base_url=base_url,
        headers={"accept-encoding": "identity"} | request_headers(settings),
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, settings.connect_timeout_s)),
        transport=transport,
    )


def get(http: httpx.Client, path: str, **options: Any) -> tuple[httpx.Response, bytes]:
    """The response and the body of a GET; `TooLargeError` if the body is beyond `BODY_BYTES`."""
    with http.stream("GET", path, **options) as response:
        return response, read_bounded(response)


def read_bounded(response: httpx.Response, most_bytes: int = BODY_BYTES) -> bytes:
    """The body of a streamed response, decompressed."""
    return b"".join(bounded_parts(response, most_bytes))


def bounded_parts(response: httpx.Response, most_bytes: int = BODY_BYTES) -> Iterator[bytes]:
    """The parts of a streamed response's body as they come, decompressed and bounded."""
    size = 0
    for part in _decompressed(response, most_bytes):
        size += len(part)
        if size > most_bytes:
            raise TooLargeError(f"its body is larger than {most_bytes // 2**20} MiB")
        yield part


def _decompressed(response: httpx.Response, most_bytes: int) -> Iterator[bytes]:
    """The body in parts, each of at most one byte more than `most_bytes`."""
    window = _COMPRESSED.get(response.headers.get("content-encoding", "").lower())
    if window is None:
        yield from response.iter_raw()
        return
    expand = zlib.decompressobj(wbits=window)
    try:
        for part in response.iter_raw():
            yield expand.decompress(part, most_bytes + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"its body can't be decompressed: {error}") from error
