import pytest

from llmbench.metrics.tables import CHUNK, DERIVED, event_tokens, table
from llmbench.records import RequestRecord
from tests.metrics.making import MS, START_NS, failure, request


def test_a_row_for_each_request_in_their_order() -> None:
    frame = table(request(n, request=n) for n in range(3))
    assert frame["request"].tolist() == [0, 1, 2]


def test_columns_are_the_fields_without_events_and_the_formulas() -> None:
    fields = set(RequestRecord.__struct_fields__) - {"event_ns", "event_tokens", "bounded_events"}
    made = {"token_events", "bounded", "gaps_ms", "chunk_gaps_ms", "ok"}
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


def test_gaps_between_chunks_are_those_of_events_whatever_they_held() -> None:
    frame = table([request(tokens=3, gap_ms=30.0, event_tokens=(1, 3, 1), output_tokens=5)])
    assert frame["chunk_gaps_ms"].iloc[0].tolist() == [30.0, 30.0]


@pytest.mark.parametrize(
    ("events", "tokens", "held"),
    [
        (2, 16, (8, 8)),
        (3, 8, (3, 2, 3)),
        (4, 6, (2, 1, 2, 1)),
        (8, 8, ()),
        (64, 65, ()),
        (8, 4, ()),
    ],
)
def test_events_of_which_only_the_sum_is_told_hold_equal_shares(
    events: int, tokens: int, held: tuple[int, ...]
) -> None:
    assert event_tokens(request(tokens=events, output_tokens=tokens)) == held
    assert not held or sum(held) == tokens


def test_what_the_server_tells_of_its_events_is_taken() -> None:
    assert event_tokens(request(tokens=2, output_tokens=8, event_tokens=(1, 7))) == (1, 7)


def test_bounded_events_are_counted_but_the_last_that_the_streams_end_follows() -> None:
    assert table([request(bounded_events=((1, 5), (2, 6)))])["bounded"].tolist() == [2]
    assert table([request(tokens=3, bounded_events=((1, 5), (2, 6)))])["bounded"].tolist() == [1]


def test_stamps_are_kept_on_request() -> None:
    frame = table([request(tokens=2)], with_events=True)
    assert frame["event_ns"].iloc[0] == (50 * MS, 70 * MS)
    assert table([], with_events=True).columns.tolist() == frame.columns.tolist()


@pytest.mark.parametrize("kind", ["cut", "dropped"])
def test_ok_is_a_request_without_an_error(kind: str) -> None:
    assert table([request(), failure(kind=kind)])["ok"].tolist() == [True, False]
