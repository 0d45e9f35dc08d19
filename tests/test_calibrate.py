from pathlib import Path

import msgspec
import pytest

from llmbench import calibrate as module
from llmbench.calibrate import (
    RULE,
    CalibratedLoad,
    Calibration,
    Reported,
    calibrate,
    render,
    step_of,
    to_json,
    verdict,
)
from llmbench.cells import Cell, Users
from llmbench.config import ConfigError
from llmbench.records import CellRun, Endpoint, Launch, RequestRecord
from llmbench.servers.placement.placing import Placement

MS = 1_000_000
RIGHT = Reported(50.0, 50.4, 50.4)
WRONG = Reported(50.0, 51.0, 50.9)


def step(users: int = 64, **changes: object) -> CalibratedLoad:
    made = CalibratedLoad(
        users=users,
        requests=users * 6,
        failed=0,
        delivered=True,
        ttft_p50=RIGHT,
        ttft_p99=RIGHT,
        itl_p50=RIGHT,
        itl_p99=RIGHT,
        requests_per_s=40.0,
        tokens_per_s=2560.0,
        cpu_us_per_token=20.0,
        bounded_share=0.015,
        kernel_stamp_share=1.0,
        server_late_p50_ms=0.05,
        server_late_p99_ms=0.5,
    )
    return msgspec.structs.replace(made, **changes)


def calibration(*steps: CalibratedLoad) -> Calibration:
    return Calibration("spread", Placement((0,), (1,)), steps)


@pytest.mark.parametrize(
    ("quantile", "right"),
    [
        (Reported(50.0, 50.49, 50.49), True),
        (Reported(50.0, 50.6, 50.6), False),
        (Reported(50.0, 49.4, 49.4), False),
        (Reported(50.0, 50.4, 10.0), True),  # a bounded stamp: what users see is right
        (Reported(50.0, 400.0, 10.0), False),  # the truth is between the bounds, and users see 400
    ],
)
def test_within_one_percent_is_right(quantile: Reported, right: bool) -> None:
    assert quantile.right is right


def test_a_step_that_breaks_no_rule() -> None:
    assert step().problems == ()


def test_each_broken_rule_is_named() -> None:
    broken = step(failed=2, delivered=False, ttft_p99=WRONG, itl_p99=Reported(20.0, 19.0, 19.0))
    assert broken.problems == (
        "2 requests failed",
        "not all delivered",
        "TTFT p99 +2.0%",
        "ITL p99 -5.0%",
    )


def test_trust_ends_before_the_first_load_that_breaks_the_rule() -> None:
    made = calibration(step(1), step(16), step(64, ttft_p99=WRONG), step(256))
    assert made.trusted_users == 16
    assert verdict(made) == (
        "This host's client can be trusted up to 16 users; beyond that use --llm-workers."
    )


def test_trust_in_all_that_was_tried() -> None:
    assert verdict(calibration(step(1), step(16))) == (
        "This host's client can be trusted up to 16 users, the most that was tried."
    )


def test_no_trust_at_all() -> None:
    assert verdict(calibration(step(1, itl_p99=WRONG))) == (
        "This host's client can't be trusted, not even with 1 users: ITL p99 +2.0%. "
        "Free a core for it, or run it on another machine."
    )


def record(
    number: int, first_ms: float, gaps_ms: tuple[float, ...], **more: object
) -> RequestRecord:
    """A request sent at 1 s whose first token came `first_ms` later."""
    sent_ns = 1000 * MS
    event_ns = [round(first_ms * MS)]
    for gap_ms in gaps_ms:
        event_ns.append(event_ns[-1] + round(gap_ms * MS))
    made = RequestRecord(
        cell="c",
        repeat=1,
        phase="measured",
        request=number,
        user=0,
        worker=0,
        scheduled_ns=sent_ns,
        sent_ns=sent_ns,
        done_ns=sent_ns + event_ns[-1],
        requested_input_tokens=1,
        requested_output_tokens=3,
        prompt_tokens=1,
        prompt_index=0,
        output_tokens=3,
        first_token_ns=sent_ns + event_ns[0],
        first_token_earliest_ns=sent_ns + event_ns[0],
        event_ns=tuple(event_ns),
        events=3,
    )
    return msgspec.structs.replace(made, **more)


TRUTH = {
    "outcomes": {"ok": 6},
    "ttft_ms": {"p50": 50.0, "p99": 51.0},
    "itl_ms": {"p50": 20.0, "p99": 21.0},
    "lateness_ms": {"p50": 0.1, "p99": 0.9},
}
RUN = CellRun(
    Cell("m", 1, 3, Users(1)),
    "c",
    1,
    0,
    1,
    Endpoint("u", "a", "m", True, Launch("simulated", 0)),
    1,
    "",
    client_cpu_ns=360_000,
)


def test_a_step_is_what_the_records_say() -> None:
    records = [record(number, 50 + number / 10, (20.0, 20.2)) for number in range(6)]
    made = step_of(1, TRUTH, records, RUN)
    assert (made.requests, made.failed, made.delivered) == (6, 0, True)
    assert made.ttft_p50 == Reported(50.0, 50.2, 50.2)
    assert made.ttft_p99 == Reported(51.0, 50.5, 50.5)
    assert made.itl_p50 == Reported(20.0, 20.0, 20.0)
    assert made.itl_p99 == Reported(21.0, 20.2, 20.2)
    assert made.cpu_us_per_token == 20.0  # 360 us for 18 tokens
    assert made.requests_per_s == pytest.approx(6 / 0.0907)
    assert (made.bounded_share, made.kernel_stamp_share) == (0.0, 1.0)
    assert (made.server_late_p50_ms, made.server_late_p99_ms) == (0.1, 0.9)


def test_bounded_stamps_give_both_bounds() -> None:
    bounded = record(0, 60, (20.0, 20.0), bounded_events=((1, 70 * MS),))
    bounded = msgspec.structs.replace(bounded, first_token_earliest_ns=1050 * MS)
    made = step_of(1, TRUTH, [bounded], RUN)
    assert made.ttft_p50 == Reported(50.0, 60.0, 50.0)
    assert made.itl_p50 == Reported(20.0, 20.0, 10.0)  # 60, 80, 100 or 60, 70, 100
    assert made.bounded_share == pytest.approx(1 / 3)


def test_what_failed_or_is_missing_is_counted() -> None:
    records = [record(0, 50, (20.0, 20.0)), record(1, 50, (), error_kind="reset", error="x")]
    made = step_of(1, TRUTH, records, RUN)
    assert (made.failed, made.delivered) == (1, False)


def test_a_load_that_failed_altogether_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        step_of(3, TRUTH, [record(1, 50, (), error_kind="refused", error="no room")], RUN)
    assert str(caught.value) == (
        "calibrate: all of 1 requests of 3 users failed; the first: refused: no room"
    )


def test_the_table_shows_truth_and_report_and_the_rule() -> None:
    text = render(calibration(step(64), step(256, ttft_p99=WRONG)))
    assert "truth → reported, ms (spread)" in text
    assert "50.00 → 50.40" in text
    assert "1.50%" in text
    assert "can be trusted up to 64 users" in text
    assert text.endswith(f"Rule: {RULE}.")


def test_the_table_shows_the_earlier_bound_where_it_is_another() -> None:
    text = render(calibration(step(64, ttft_p99=Reported(50.0, 50.4, 10.0))))
    assert "50.00 → 50.40" in text
    assert "from 10.00" in text
    assert "from" not in render(calibration(step(64)))


def test_the_json_holds_figures_and_verdict() -> None:
    page = msgspec.json.decode(to_json(calibration(step(64), step(256, ttft_p99=WRONG))))
    assert page["trusted_users"] == 64
    assert page["rule"] == RULE
    assert (page["cores"]["server"], page["cores"]["client"]) == ([0], [1])
    assert page["steps"][0]["ttft_p50"] == {
        "true_ms": 50.0,
        "reported_ms": 50.4,
        "earliest_ms": 50.4,
    }
    assert [it["problems"] for it in page["steps"]] == [[], ["TTFT p99 +2.0%"]]


@pytest.mark.parametrize("batching", ["spread", "beat"])
def test_a_real_climb(
    batching: module.Batching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUESTS_PER_USER", 2)
    monkeypatch.setattr(module, "OUTPUT_TOKENS", 8)
    said: list[str] = []
    file = tmp_path / "calibration.json"
    made = calibrate((1, 4), batching=batching, json_file=file, say=said.append)
    assert [(it.users, it.requests, it.failed, it.delivered) for it in made.steps] == [
        (1, 2, 0, True),
        (4, 8, 0, True),
    ]
    assert all(it.ttft_p50.right for it in made.steps)
    assert all(it.kernel_stamp_share == 1.0 for it in made.steps)
    assert msgspec.json.decode(file.read_bytes())["batching"] == batching
    assert said[-4:-2] == ["1 users …", "4 users …"]
    assert said[-1] == f"written: {file}"
