"""What a cache could have saved, and what each turn of a conversation took."""

import pandas as pd

from llmbench.traffic import TurnSummary


def cached_share(good: pd.DataFrame) -> float | None:
    """The share of prompt tokens that the server took from its cache; None where it tells none."""
    return _share_of(good, "cached_tokens")


def possible_share(good: pd.DataFrame) -> float | None:
    """The share of prompt tokens that an earlier request had; None where that is not known.

    In conversations it is all that was said before, by the server's counts of the turn before; in
    shared prefixes it is known from how the prompts were made.
    """
    return _share_of(good, "prefix_tokens")


def turn_summaries(good: pd.DataFrame) -> tuple[TurnSummary, ...]:
    """A summary for each turn that was answered."""
    turns = good["turn"].dropna()
    numbers = sorted(int(turn) for turn in turns.unique())
    return tuple(_summary(turn, good.loc[turns.index[turns == turn]]) for turn in numbers)


def _summary(turn: int, requests: pd.DataFrame) -> TurnSummary:
    ttft, inputs = requests["ttft_ms"], requests["input_tokens"]
    return TurnSummary(
        turn=turn,
        requests=len(requests),
        ttft_ms_p50=_quantile(ttft, 0.5),
        ttft_ms_p95=_quantile(ttft, 0.95),
        input_tokens_p50=_quantile(inputs, 0.5),
        possible_share=possible_share(requests),
        cached_share=cached_share(requests),
    )


def _share_of(good: pd.DataFrame, column: str) -> float | None:
    known = good[column].notna() & good["input_tokens"].notna()
    prompt_tokens = int(good["input_tokens"][known].sum())
    return int(good[column][known].sum()) / prompt_tokens if prompt_tokens else None


def _quantile(column: "pd.Series[float]", share: float) -> float | None:
    known = column.dropna()
    return float(known.quantile(share)) if len(known) else None
