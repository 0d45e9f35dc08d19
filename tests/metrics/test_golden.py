"""The deck's own sample output: from start, end, tokens and TTFT to every other column."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from llmbench.metrics.tables import table
from tests.metrics.making import START_NS, request

SAMPLE = Path(__file__).parent / "data" / "sample-output.tsv"


@pytest.fixture(scope="module")
def deck() -> pd.DataFrame:
    return pd.read_csv(SAMPLE, sep="\t")


@pytest.fixture(scope="module")
def ours(deck: pd.DataFrame) -> pd.DataFrame:
    """The same requests as records: stamps in ns, the latency at its full resolution."""
    records = []
    for row in deck.to_dict("records"):
        end = START_NS + round(row["latency(ms)"] * 1e6)
        first = START_NS + round(row["TTFT(ms)"] * 1e6)
        records.append(
            request(
                input_tokens=row["input_tokens"],
                output_tokens=row["output_tokens"],
                first_token_ns=first,
                last_token_ns=end,
                done_ns=end,
                event_ns=(),  # the deck tells of no events: the first one held one token
            )
        )
    return table(records)


@pytest.mark.parametrize(
    ("deck_column", "column"),
    [
        ("latency(ms)", "latency_ms"),
        ("TTFT(ms)", "ttft_ms"),
        ("time_per_token(ms/tokens)", "time_per_token_ms"),
        ("throughput(tokens/second)", "throughput_tokens_per_s"),
    ],
)
def test_formulas_give_the_decks_figures(
    deck: pd.DataFrame, ours: pd.DataFrame, deck_column: str, column: str
) -> None:
    assert len(ours) == 15
    assert ours[column].tolist() == pytest.approx(deck[deck_column].tolist(), rel=1e-9)


def test_the_decks_stamps_give_its_latency_to_their_microsecond(deck: pd.DataFrame) -> None:
    records = []
    for start, end in zip(deck["start_time"], deck["end_time"], strict=True):
        took = datetime.fromisoformat(end) - datetime.fromisoformat(start)
        end_ns = START_NS + round(took.total_seconds() * 1e9)
        records.append(request(done_ns=end_ns, last_token_ns=end_ns))
    latency = table(records)["latency_ms"]
    assert latency.tolist() == pytest.approx(deck["latency(ms)"].tolist(), abs=1e-3)
