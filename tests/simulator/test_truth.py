from array import array

from llmbench.simulator.texts.seen_images import SeenImage
from llmbench.simulator.truth import Histogram, ServedRequest, Truth, quantiles

MS = 1_000_000


def test_quantiles_are_values_that_were_there() -> None:
    values = array("q", [number * MS for number in range(100, 0, -1)])
    assert quantiles(values) == {
        "n": 100,
        "mean": 50.5,
        "p50": 50.0,
        "p90": 90.0,
        "p95": 95.0,
        "p99": 99.0,
        "max": 100.0,
    }


def test_nothing_has_no_quantiles() -> None:
    assert quantiles(array("q")) is None


def test_times_are_of_what_was_sent() -> None:
    truth = Truth()
    truth.streamed(1000 * MS, [1050 * MS, 1070 * MS, 1095 * MS], [0, 1 * MS, 2 * MS])
    truth.finished("ok", prompt_tokens=7, output_tokens=3, received_ns=1000 * MS)
    page = truth.page()
    assert (page["requests"], page["outcomes"], page["tokens"]) == (1, {"ok": 1}, 3)
    assert (page["ttft_ms"]["n"], page["ttft_ms"]["p50"]) == (1, 50.0)
    assert (page["itl_ms"]["n"], page["itl_ms"]["p50"], page["itl_ms"]["max"]) == (2, 20.0, 25.0)
    assert (page["lateness_ms"]["n"], page["lateness_ms"]["p50"]) == (3, 1.0)


def test_a_reset_forgets_times_but_no_counter() -> None:
    truth = Truth()
    truth.shown([SeenImage(28, 28, 1, checksum=1)])
    truth.streamed(0, [50 * MS], [0])
    truth.finished("ok", prompt_tokens=7, output_tokens=1, received_ns=0)
    truth.reset()
    assert truth.page() == {
        "requests": 0,
        "outcomes": {},
        "tokens": 0,
        "ttft_ms": None,
        "itl_ms": None,
        "lateness_ms": None,
        "queue_ms": None,
        "prefill_ms": None,
        "decode_ms": None,
        "images": {},
        "different_images": 0,
        "cached_tokens": 0,
        "turns": {},
        "drafts": {"steps": 0, "drafted": 0, "accepted": 0},
    }
    assert (truth.prompt_tokens, truth.output_tokens) == (7, 1)
    assert sum(truth.ttft_histogram.counts) == 1


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram()
    histogram.add([20 * MS, 21 * MS, 70_000 * MS])
    lines = histogram.lines("x")
    assert lines[0] == "# TYPE x histogram"
    assert 'x_bucket{le="0.01"} 0' in lines
    assert 'x_bucket{le="0.02"} 1' in lines
    assert 'x_bucket{le="0.04"} 2' in lines
    assert lines[-3:] == ['x_bucket{le="+Inf"} 3', "x_sum 70.041", "x_count 3"]


def test_each_request_is_told_with_its_first_and_last_write() -> None:
    truth = Truth()
    truth.finished("ok", 7, 3, 1000 * MS, [1050 * MS, 1070 * MS, 1095 * MS])
    truth.finished("http 500", 7, 0, 1200 * MS)
    assert truth.served == [
        ServedRequest("ok", 3, 1000 * MS, 1050 * MS, 1095 * MS),
        ServedRequest("http 500", 0, 1200 * MS),
    ]
    truth.reset()
    assert truth.served == []
