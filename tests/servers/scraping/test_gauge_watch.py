"""Reading pages while a cell runs: what a failing one costs, and when pages are read."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from msgspec import structs

from llmbench.gauges import GaugeSample
from llmbench.records import Endpoint, Launch
from llmbench.servers.scraping import gauge_watch
from llmbench.servers.scraping.gauge_watch import GaugeWatch, pages_of

Page = Callable[[int], tuple[int, str]]
"""The status and the body of the answer to a page's n-th reading."""


class Served:
    """A server whose ``/metrics`` answers as `page` says."""

    def __init__(self, page: Page, protocol: str) -> None:
        served = self
        self.readings = 0
        self.connections: set[object] = set()
        self.read = threading.Event()

        class Answer(BaseHTTPRequestHandler):
            protocol_version = protocol

            def do_GET(self) -> None:
                served.readings += 1
                served.connections.add(self.client_address)
                status, body = page(served.readings)
                self.send_response(status if self.path == "/metrics" else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())
                if served.readings >= 4:
                    served.read.set()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a test's output is its own."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{self.http.server_port}"
        self.endpoint = Endpoint(url, "openai-completions", "m", False, Launch("remote", 0))


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    made: list[Served] = []

    def begin(page: Page, protocol: str = "HTTP/1.1") -> Served:
        made.append(Served(page, protocol))
        return made[-1]

    yield begin
    for served in made:
        served.http.shutdown()
        served.http.server_close()


def counting(reading: int) -> tuple[int, str]:
    return 200, f"vllm:num_requests_running {reading}\n"


def watched(*served: Served, until: threading.Event | None = None) -> list[GaugeSample]:
    """The readings during a cell that lasts until the event, else for no time."""
    seen: list[GaugeSample] = []
    watch = GaugeWatch("m", [each.endpoint for each in served], seen.append, period_s=0.02)
    with watch.during("cell", 2):
        if until is not None:
            assert until.wait(30)
    watch.close()
    return seen


def test_a_cell_is_read_at_its_start_while_it_lasts_and_at_its_end(
    serve: Serve,
) -> None:
    served = serve(counting)
    seen = watched(served, until=served.read)
    assert len(seen) >= 4
    assert [gauges.running for gauges in seen] == list(range(2, served.readings + 1))
    assert {(g.target, g.replica, g.cell, g.repeat) for g in seen} == {
        ("m", f"{served.endpoint.base_url}/metrics", "cell", 2)
    }
    assert sorted(g.time_ns for g in seen) == [g.time_ns for g in seen]
    assert {g.waiting for g in seen} == {None}
    assert len(served.connections) == 1


def test_every_server_has_rows_of_its_own(serve: Serve) -> None:
    pair = serve(counting), serve(counting)
    seen = watched(*pair, until=pair[1].read)
    assert {g.replica for g in seen} == {f"{each.endpoint.base_url}/metrics" for each in pair}


def test_a_page_that_fails_costs_its_reading_and_says_why(
    serve: Serve,
) -> None:
    served = serve(lambda n: counting(n) if n != 3 else (500, "out of order"))
    seen = watched(served, until=served.read)
    assert [g.error for g in seen[:3]] == [None, "ValueError: HTTP 500", None]
    assert [g.running for g in seen[:3]] == [2, None, 4]


def test_a_page_that_becomes_another_one_says_so(serve: Serve) -> None:
    served = serve(lambda n: counting(n) if n != 3 else (200, "<html>sign in</html>"))
    seen = watched(served, until=served.read)
    assert seen[1].error == "ValueError: no gauge on it is known"


def test_a_page_has_a_second_for_its_answer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauge_watch, "READ_S", 0.2)
    over = threading.Event()

    def slow(reading: int) -> tuple[int, str]:
        if reading == 3:
            over.wait(30)
        return counting(reading)

    served = serve(slow)
    seen = watched(served, until=served.read)
    over.set()
    assert seen[1].error == "no answer within 0.2 s"
    assert seen[2].error is None


def test_a_server_that_is_gone_costs_readings_only(serve: Serve) -> None:
    served = serve(counting, "HTTP/1.0")  # a connection for each reading
    seen: list[GaugeSample] = []
    watch = GaugeWatch("m", [served.endpoint], seen.append)
    with watch.during("cell", 1):
        served.http.shutdown()
        served.http.server_close()
    watch.close()
    assert str(seen[-1].error).startswith("ConnectError: ")


@pytest.mark.parametrize("answer", [(404, "not found"), (200, "<html>"), (501, "")])
def test_a_server_without_such_a_page_is_asked_once_a_cell(
    serve: Serve, answer: tuple[int, str]
) -> None:
    served = serve(lambda n: answer)
    began = time.monotonic()
    while time.monotonic() < began + 0.1:
        assert watched(served) == []
        assert served.readings == 1
        served.readings = 0


def test_tritons_page_may_have_a_port_of_its_own() -> None:
    endpoint = Endpoint("http://[::1]:8000", "triton", "m", False, Launch("remote", 0))
    assert pages_of(endpoint) == ("http://[::1]:8000/metrics", "http://[::1]:8002/metrics")
    other = structs.replace(endpoint, base_url="https://gpu-host", api="tgi")
    assert pages_of(other) == ("https://gpu-host/metrics",)
