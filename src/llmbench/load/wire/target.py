"""Prepares where requests go and how each begins, with httpx and before the clock starts."""

import socket
from functools import cached_property
from typing import Any

import httpx
import msgspec

from llmbench.access import check_url, request_headers, tls_context
from llmbench.apis import Ask, Dialect, tailored
from llmbench.records import Endpoint

Address = tuple[int, Any]  # family, and what a socket of it connects to


def body_of(ask: Ask, dialect: Dialect, endpoint: Endpoint) -> dict[str, Any]:
    """The body of a request, with the fields that `endpoint` adds and leaves out."""
    return tailored(dialect.body(ask), endpoint.request)


class Target:
    """An endpoint that is ready for use: its addresses, TLS context, and a request's head.

    The API key is read from its environment variable here, and is kept only in the head.
    """

    def __init__(self, endpoint: Endpoint, dialect: Dialect) -> None:
        self.endpoint = endpoint
        self.dialect = dialect
        check_url(endpoint.base_url, "endpoint")
        self._base = httpx.URL(endpoint.base_url)
        self.host = self._base.host
        self.port = self._base.port or (443 if self._base.scheme == "https" else 80)
        self.tls = tls_context(endpoint.client) if self._base.scheme == "https" else None
        self._heads: dict[str, bytes] = {}
        self._encode = msgspec.json.Encoder().encode

    @cached_property
    def addresses(self) -> list[Address]:
        """The addresses to try in turn; `OSError` says that the name has none."""
        infos = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in infos]

    def request(self, ask: Ask) -> bytes:
        """The whole request, ready to be written."""
        path = self.dialect.path(ask)
        head = self._heads.get(path)
        if head is None:
            head = self._heads[path] = self._head(path)
        body = self._encode(body_of(ask, self.dialect, self.endpoint))
        return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)

    def _head(self, path: str) -> bytes:
        """The request line and all headers but the length of the body."""
        url = self._base.copy_with(path=self._base.path.rstrip("/") + path)
        request = httpx.Request("POST", url, headers=self._headers())
        request.headers.pop("content-length", None)
        lines = [b"POST %b HTTP/1.1" % url.raw_path]
        lines += [b"%b: %b" % pair for pair in request.headers.raw]
        return b"\r\n".join(lines) + b"\r\n"

    def _headers(self) -> dict[str, str]:
        client = self.endpoint.client
        headers = {
            "accept": "application/x-ndjson" if self.dialect.framing == "ndjson" else "*/*",
            "accept-encoding": "identity",
            "content-type": "application/json",
        }
        if client.fresh_connections:
            headers["connection"] = "close"
        return headers | request_headers(client)
