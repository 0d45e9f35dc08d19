"""The JSON pages on which a server describes itself, each asked for once."""

from typing import Any

import httpx
import msgspec

from llmbench.servers.readiness.http import BODY_BYTES, get, read_bounded

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
            if method == "GET":
                response, content = get(self._http, path, timeout=PAGE_S)
            else:
                response, content = self._posted(path, body)
        except httpx.TransportError:
            self._failures += 1
            return None
        except httpx.DecodingError:
            return None
        self.denied = self.denied or response.status_code in DENIED
        if method == "GET" and response.status_code != 200:
            return None
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _posted(self, path: str, body: bytes) -> tuple[httpx.Response, bytes]:
        headers = {"content-type": "application/json"}
        with self._http.stream(
            "POST", path, content=body, headers=headers, timeout=PAGE_S
        ) as response:
            return response, read_bounded(response, BODY_BYTES)
