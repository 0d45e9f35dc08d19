import pytest

from llmbench.metrics.tables import CHUNK, DERIVED, table
from llmbench.records import RequestRecord
from tests.metrics.making import MS, START_NS, failure, request


def test_a_row_for_each_request_in_their_order() -> None:
    frame = table(request(n, request=n) for n in range(3))
    assert frame["request"].tolist() == [0, 1, 2]


def test_columns_are_the_fields_without_events_and_the_formulas() -> None:
    fields = set(RequestRecord.__struct_fields__) - {"event_ns", "event_tokens", "bounded_events"}
    made = {"token_events", "bounded", "gaps_ms", "ok"}
    assert set(table([request()]).columns) == fields | made | set(DERIVED)


def test_no_records_make_an_empty_table_of_the_same_columns() -> None:
    empty = table([])
    assert len(empty) == 0
    assert list(empty.columns) == list(table([request()]).columns)


def test_instants_are_exact_to_the_nanosecond_also_where_some_are_unknown() -> None:
    frame = table([request(sent_ns=START_NS + 1), failure(sent_ns=None)])
    assert frame["sent_ns"].iloc[0] == START_NS + 1
    assert frame["sent_ns"].isna().tolist() == [False, True]


def test_rows_of_many_chunks_keep_their_own_gaps() -> None:
    records = [request(gap_ms=1.0 + n % 7, tokens=2 + n % 3) for n in range(2 * CHUNK + 5)]
    frame = table(records)
    assert [len(g) for g in frame["gaps_ms"]] == [1 + n % 3 for n in range(len(records))]
    assert [float(g[0]) for g in frame["gaps_ms"]] == [1.0 + n % 7 for n in range(len(records))]


def test_an_event_of_k_tokens_is_k_gaps_that_sum_to_its_time() -> None:
    record = request(tokens=3, gap_ms=30.0, event_tokens=(1, 3, 1), output_tokens=5)
    assert table([record])["gaps_ms"].iloc[0].tolist() == [10.0, 10.0, 10.0, 30.0]


def test_requests_with_and_without_token_counts_mix() -> None:
    records = [request(tokens=2, event_tokens=(2, 2)), failure(), request(tokens=3)]
    gaps = [g.tolist() for g in table(records)["gaps_ms"]]
    assert gaps == [[10.0, 10.0], [], [20.0, 20.0]]


def test_bounded_events_are_counted() -> None:
    assert table([request(bounded_events=((1, 5), (2, 6)))])["bounded"].tolist() == [2]


def test_stamps_are_kept_on_request() -> None:
    frame = table([request(tokens=2)], with_events=True)
    assert frame["event_ns"].iloc[0] == (50 * MS, 70 * MS)
    assert table([], with_events=True).columns.tolist() == frame.columns.tolist()


@pytest.mark.parametrize("kind", ["cut", "dropped"])
def test_ok_is_a_request_without_an_error(kind: str) -> None:
    assert table([request(), failure(kind=kind)])["ok"].tolist() == [True, False]
