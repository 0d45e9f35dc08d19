"""A Docker Engine on another host, as far as it says: other cores, another kernel and clock.

It speaks the Engine's API over TCP on 127.0.0.1, and runs nothing.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ID = "f" * 64


class FakeEngine:
    """What it says of itself, of its one container, and of that container's events.

    `ahead_s` is how far its clock is ahead of ours. It notes how long it had clients wait for
    events that were still to come.
    """

    def __init__(self, *, cores: int = 96, ahead_s: float = 0.0, kernel: str = "6.1.0-far") -> None:
        self.cores, self.ahead_s, self.kernel = cores, ahead_s, kernel
        self.created_s = self.now_s() - 5.0
        self.state: dict[str, Any] = {"Running": True, "Pid": 0}
        self.events: list[tuple[float, str]] = [(self.created_s, "create")]  # time there, action
        self.waits_s: list[float] = []

    def now_s(self) -> float:
        return time.time() + self.ahead_s

    def happen(self, action: str) -> None:
        """Have the container go through `action` now."""
        self.events.append((self.now_s(), action))

    def answer(self, path: str, query: dict[str, str]) -> Any:
        """The body of the answer to a GET of `path`; None where nothing is there."""
        answers = {
            "_ping": lambda: "OK",
            "version": lambda: {"ApiVersion": "1.41", "Version": "20.10"},
            "info": self._info,
            "events": lambda: self._events(query),
            f"containers/{ID}/logs": lambda: "",
            f"containers/{ID}/json": self._container,
        }
        name = path.split("/", 2)[-1] if path.startswith("/v1.") else path.lstrip("/")
        return answers[name]() if name in answers else None

    def _info(self) -> dict[str, Any]:
        return {
            "NCPU": self.cores,
            "MemTotal": 512 << 30,
            "ServerVersion": "20.10",
            "KernelVersion": self.kernel,
            "SystemTime": rfc3339(self.now_s()),
        }

    def _container(self) -> dict[str, Any]:
        return {
            "Id": ID,
            "Name": "/far",
            "Created": rfc3339(self.created_s),
            "Config": {"Tty": False},
            "State": self.state,
        }

    def _events(self, query: dict[str, str]) -> str:
        since, until = float(query["since"]), float(query["until"])
        self.waits_s.append(max(0.0, until - self.now_s()))
        rows = [{"Action": action} for at, action in self.events if since <= at <= until]
        return "".join(json.dumps(row) + "\n" for row in rows)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address for DOCKER_HOST, while the context is open."""
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                told = engine.answer(url.path, query)
                text = told if isinstance(told, str) else json.dumps(told or {"message": "none"})
                body = text.encode()
                self.send_response(404 if told is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

            do_HEAD = do_GET

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def rfc3339(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")
