"""A busy server is asked again only after a pause, and the pauses are recorded."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import pytest

from llmbench.cells import Users
from llmbench.load.loops import unreachable
from llmbench.load.loops.pauses import pause_s, retry_after_s
from llmbench.load.loops.unreachable import Unreachable
from llmbench.load.wire.exchange import Exchange
from llmbench.metrics import summarise, table
from llmbench.records import ErrorKind, RequestRecord
from tests.load.serving import ANSWER, Load, Scripted, answering, endpoint, response

BUSY = response(b'{"error": "no room"}', status=b"503 Service Unavailable")


def refusal(status: int = 503, *headers: tuple[bytes, bytes]) -> Exchange:
    exchange = Exchange()
    exchange.status, exchange.headers = status, list(headers)
    return exchange


def test_the_pause_doubles_up_to_two_seconds() -> None:
    pauses = [pause_s(refusal(), failures) for failures in (1, 2, 3, 5, 9)]
    assert pauses == [0.1, 0.2, 0.4, 1.6, 2.0]


@pytest.mark.parametrize(
    ("told", "waits"), [(b"3", 3.0), (b"0", 0.0), (b"0.5", 0.5), (b"3600", 60)]
)
def test_the_server_says_how_long_within_reason(told: bytes, waits: float) -> None:
    assert pause_s(refusal(429, (b"retry-after", told)), 1) == waits


def test_a_date_to_retry_at() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    assert retry_after_s([(b"retry-after", soon.encode())]) == pytest.approx(20, abs=1.5)


@pytest.mark.parametrize("told", [b"soon", b"", b"-1", b"1e9", b"\xb2", b"Mon"])
def test_what_is_no_time_to_retry_at(told: bytes) -> None:
    assert retry_after_s([(b"retry-after", told)]) is None


def test_a_user_waits_as_long_as_it_is_told(simulator: str, load: Load) -> None:
    began = monotonic()
    records = load(endpoint(simulator, headers={"x-llmbench-fault": "busy"}), Users(1, 2))
    assert 1 <= monotonic() - began < 3
    assert [record.error_kind for record in records] == ["http_5xx"] * 2
    first, second = (record.paused_ns for record in records)
    assert first is None
    assert second == pytest.approx(1e9, rel=0.1)


def test_two_users_do_not_flood_a_busy_server(load: Load) -> None:
    """Half a second has room for a pause of 0.1 s, of 0.2 s, and the beginning of the next."""
    with Scripted(answering(BUSY)) as server:
        records = load(endpoint(server.url), Users(2, duration_s=0.5))
    assert len(records) == 6


def test_a_success_ends_the_growing(load: Load) -> None:
    with Scripted(answering(BUSY, ANSWER)) as server:
        records = load(endpoint(server.url), Users(1, 6))
    pauses = [record.paused_ns for record in records]
    assert pauses[::2] == [None] * 3
    assert all(90e6 < (pause or 0) < 190e6 for pause in pauses[1::2])


def test_other_failures_are_not_paused_after(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator, headers={"x-llmbench-fault": "http-500"}), Users(1, 4))
    assert [record.paused_ns for record in records] == [None] * 4


def test_pauses_are_summed_and_are_not_taken_for_a_slow_client(load: Load) -> None:
    with Scripted(answering(BUSY, ANSWER)) as server:
        records = load(endpoint(server.url), Users(1, 8))
    assert load.cell_run is not None
    found = summarise(load.cell_run, table(records))
    assert found.pauses == 4
    assert found.paused_s == pytest.approx(0.4, abs=0.1)
    assert found.delivered_share is not None and found.delivered_share > 0.9


def test_a_server_that_nothing_listens_for_is_taken_for_gone(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreachable, "GONE_S", 1.0)
    with Scripted(answering(ANSWER)) as server:
        url = server.url
    records = load(endpoint(url), Users(2, 500))
    assert load.cell_run is not None
    told = f"no connection for [12] s: {url.removeprefix('http://')}: Connection refused"
    assert re.fullmatch(told, str(load.cell_run.server_died))
    assert {record.error_kind for record in records} <= {"refused", "server_died"}
    assert 5 <= len(records) <= 12


def test_one_connection_in_between_shows_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(kind: ErrorKind) -> RequestRecord:
        return RequestRecord("c", 1, "measured", 1, 1, 0, 0, None, 0, 1, 1, 1, 0, error_kind=kind)

    monkeypatch.setattr(unreachable, "GONE_S", 0.0)
    gone, refused = Unreachable(), record("refused")
    for _ in range(4):
        gone.count(refused)
    gone.count(record("http_5xx"))
    for _ in range(4):
        gone.count(refused)
    assert gone.why() is None
    gone.count(refused)
    assert gone.why() == "no connection for 0 s: refused"
