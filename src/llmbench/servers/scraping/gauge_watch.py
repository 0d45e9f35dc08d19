"""Reads the servers' gauges about once a second while a cell runs, in a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from urllib.parse import urlsplit

import httpx
from msgspec import structs

from llmbench.clock import Clock
from llmbench.gauges import GaugeSample
from llmbench.process import pinned
from llmbench.records import Endpoint
from llmbench.servers.readiness.http import Deadline, get, http_client
from llmbench.servers.scraping.gauge_words import read_gauges

PERIOD_S = 1.0
OFTEN_S = 0.2
"""The period where the readings have to show what becomes of single requests."""

FIRST_S = 0.06
"""The pause before a cell's second reading; it doubles up to the period, for cells of a second."""

READ_S = 1.0
"""The time that a page has for its answer; after that its reading is lost."""

TRITON_PORT = 8002
"""Triton's metrics have a port of their own."""


class GaugePage:
    """The metrics page of one server, read over one connection that stays open."""

    def __init__(self, url: str, endpoint: Endpoint) -> None:
        self.url = url
        self._deadline = Deadline(READ_S)
        self._http = http_client(url, endpoint.client, READ_S, self._deadline)

    def read(self) -> dict[str, float]:
        """What the page tells now; raises where it doesn't answer in time or tells nothing."""
        self._deadline.renew()
        response, body = get(self._http, self.url)
        if response.status_code != 200:
            raise ValueError(f"HTTP {response.status_code}")
        told = read_gauges(body.decode("utf-8", "replace"))
        if not told:
            raise ValueError("no gauge on it is known")
        return told

    def close(self) -> None:
        self._http.close()


class GaugeWatch:
    """Reads the pages of all `endpoints` while a cell runs and hands each reading to `sink`.

    Pages are looked for when a cell begins; where none answers, none is asked during that cell.
    A page that answered once and then fails costs only that reading, which says why. The pauses
    between readings are drawn at random around the period, so that no rhythm of the load coincides
    with them.
    """

    def __init__(
        self,
        target: str,
        endpoints: Sequence[Endpoint],
        sink: Callable[[GaugeSample], None],
        *,
        period_s: float = PERIOD_S,
    ) -> None:
        self._target, self._endpoints, self._sink = target, tuple(endpoints), sink
        self._period_s = period_s
        self._random, self._clock = Random(0), Clock()
        self._pages: dict[str, GaugePage] = {}  # by the server's address

    @contextmanager
    def during(
        self,
        cell_id: str,
        repeat: int,
        cores: tuple[int, ...] = (),
        *,
        period_s: float | None = None,
    ) -> Iterator[None]:
        """Read all pages now, then about once a period in a thread on `cores`, and at the end."""
        self._find()
        self._read(cell_id, repeat)
        ended = threading.Event()
        thread = threading.Thread(
            target=self._read_until,
            args=(ended, cell_id, repeat, cores, period_s or self._period_s),
            name="llmbench-gauges",
            daemon=True,
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._read(cell_id, repeat)

    def close(self) -> None:
        """Close the connections."""
        for page in self._pages.values():
            page.close()
        self._pages = {}

    def _find(self) -> None:
        """Look for the pages that are not known yet."""
        for endpoint in self._endpoints:
            for url in pages_of(endpoint) if endpoint.base_url not in self._pages else ():
                page = GaugePage(url, endpoint)
                if isinstance(_told(page), dict):
                    self._pages[endpoint.base_url] = page
                    break
                page.close()

    def _read_until(
        self,
        ended: threading.Event,
        cell_id: str,
        repeat: int,
        cores: tuple[int, ...],
        period_s: float,
    ) -> None:
        mean_s = min(FIRST_S, period_s)
        with pinned(cores):
            while self._pages and not ended.wait(mean_s * self._random.uniform(0.5, 1.5)):
                self._read(cell_id, repeat)
                mean_s = min(2 * mean_s, period_s)

    def _read(self, cell_id: str, repeat: int) -> None:
        for page in self._pages.values():
            asked_ns = self._clock.unix_ns()
            told: Mapping[str, float | str] | str = _told(page)
            middle_ns = (asked_ns + self._clock.unix_ns()) // 2
            sample = GaugeSample(middle_ns, self._target, page.url, cell_id, repeat)
            told = {"error": told} if isinstance(told, str) else told
            self._sink(structs.replace(sample, **told))


def pages_of(endpoint: Endpoint) -> tuple[str, ...]:
    """Where an endpoint's metrics may be."""
    own = f"{endpoint.base_url}/metrics"
    if endpoint.api != "triton":
        return (own,)
    parts = urlsplit(endpoint.base_url)
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}")
    return own, f"{parts.scheme}://{host}:{TRITON_PORT}/metrics"


def _told(page: GaugePage) -> dict[str, float] | str:
    """What a page tells, or in words why it tells nothing: no failure here may harm the load."""
    try:
        return page.read()
    except httpx.TimeoutException:
        return f"no answer within {READ_S:g} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
