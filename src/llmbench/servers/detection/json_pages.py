"""The JSON pages on which a server describes itself, each asked for once."""

from typing import Any

import httpx
import msgspec

from llmbench.servers.readiness.http import read_bounded

PAGE_S = 3.0
"""How long one page may take; a server that is under load still answers these at once."""

MOST_FAILURES = 2
"""After so many pages without any answer the server is asked no more."""

DENIED = frozenset({401, 403})


class Pages:
    """A server's pages; one that is missing, slow, too large or not JSON is None."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._read: dict[tuple[str, bytes], Any] = {}
        self._failures = 0
        self.denied = False  # whether any page wants a key

    def get(self, path: str) -> Any:
        """The page at `path`."""
        if (path, b"") not in self._read:
            self._read[path, b""] = self._ask("GET", path, b"")
        return self._read[path, b""]

    def post(self, path: str, question: dict[str, Any]) -> Any:
        """What the server answers to `question` at `path`, also where it refuses it."""
        body = msgspec.json.encode(question)
        if (path, body) not in self._read:
            self._read[path, body] = self._ask("POST", path, body)
        return self._read[path, body]

    def table(self, path: str) -> dict[str, Any]:
        """The page at `path` if it is a JSON object, else an empty one."""
        page = self.get(path)
        return page if isinstance(page, dict) else {}

    def _ask(self, method: str, path: str, body: bytes) -> Any:
        if self._failures >= MOST_FAILURES:
            return None
        try:
            status, content = self._answer(method, path, body)
        except httpx.TransportError:
            self._failures += 1
            return None
        except httpx.DecodingError:
            return None
        self.denied = self.denied or status in DENIED
        if method == "GET" and status != 200:
            return None
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """The status and the body; asks again where the connection was closed after the last
        answer, as some servers do after an error of theirs."""
        try:
            return self._once(method, path, body)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return self._once(method, path, body)

    def _once(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {"content-type": "application/json"} if body else {}
        with self._http.stream(
            method, path, content=body, headers=headers, timeout=PAGE_S
        ) as response:
            return response.status_code, read_bounded(response)
