"""The formulas of a request, one function each, over a table of requests.

Each takes the table that `llmbench.metrics.table` makes (or any with the columns it names) and
gives a column of floats, NaN where the quantity is undefined or not known. Failed requests have
no latency, no TTFT and no throughput: they are counted, never averaged. "The deck" is the
LLM inference benchmark tool that this project grew from.
"""

import numpy as np
import pandas as pd

NS_PER_MS = 1e6

SEVERAL_TOKENS = 1.1
"""Above this many tokens an event, events hold several tokens. Below it the surplus is what is
counted but not shown: the end of the text, the pieces of a character."""


def latency_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """End - start: from right before the write to the last event with tokens.

    Neither usage nor ``[DONE]`` count; without a stream it is the end of the message.
    Source: the deck, latency(ms).
    """
    end = requests["last_token_ns"].fillna(requests["done_ns"])
    return _ok(requests, _milliseconds(end - requests["sent_ns"]))


def ttft_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """First event that held a generated token - start; not known without a stream.

    Source: the deck, TTFT(ms).
    """
    return _ok(requests, _milliseconds(requests["first_token_ns"] - requests["sent_ns"]))


def ttft_uncertainty_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """How much earlier the first token may have come: latest - earliest bound of its stamp."""
    bounds = requests["first_token_ns"] - requests["first_token_earliest_ns"]
    return _ok(requests, _milliseconds(bounds))


def answer_ttft_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """First token of the answer, after reasoning - start (AIPerf's TTFO, GuideLLM's TTFOT)."""
    return _ok(requests, _milliseconds(requests["first_answer_ns"] - requests["sent_ns"]))


def first_event_tokens(requests: pd.DataFrame) -> "pd.Series[float]":
    """Tokens of the first event, k: as the server tells, else the events' equal share, else 1."""
    told = _float(requests["first_event_tokens"])
    return told.fillna(_share(requests).where(is_estimated(requests), 1.0))


def is_estimated(requests: pd.DataFrame) -> "pd.Series[bool]":
    """Whether events held several tokens of which the server told only the sum."""
    several = _share(requests) > SEVERAL_TOKENS
    return several & requests["first_event_tokens"].isna() & requests["ok"]


def _share(requests: pd.DataFrame) -> "pd.Series[float]":
    """Output tokens for each event that held any."""
    events = _float(requests["token_events"])
    return _float(requests["output_tokens"]) / events.where(events > 0)


def time_per_token_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """(latency - TTFT) / (n - k): n output tokens, k of them in the first event.

    Undefined, not 0, where n <= k. Source: the deck, time_per_token(ms/tokens), where k is 1.
    """
    later = _float(requests["output_tokens"]) - first_event_tokens(requests)
    return (latency_ms(requests) - ttft_ms(requests)) / later.where(later > 0)


def throughput_tokens_per_s(requests: pd.DataFrame) -> "pd.Series[float]":
    """(input + output tokens) / latency. Source: the deck, throughput(tokens/second).

    It rises with the prompt's length; a cell's throughput is never its mean.
    """
    tokens = _float(input_tokens(requests)) + _float(requests["output_tokens"])
    latency = latency_ms(requests)
    return tokens / (latency.where(latency > 0) / 1e3)


def scheduled_latency_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Latency from when the plan wanted the request sent. Source: MLPerf LoadGen; wrk2."""
    return latency_ms(requests) + schedule_delay_ms(requests)


def scheduled_ttft_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """TTFT from when the plan wanted the request sent. Source: MLPerf LoadGen."""
    return ttft_ms(requests) + schedule_delay_ms(requests)


def schedule_delay_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Sent - scheduled: the client's own lateness; not known for a request never sent."""
    return _milliseconds(requests["sent_ns"] - requests["scheduled_ns"])


def client_lag_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """The longest that data of the request lay in the kernel before the client read it."""
    return _milliseconds(requests["client_lag_ns"])


def server_ttft_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Queue + prompt processing, as the server itself says (a queue it doesn't tell is 0)."""
    return _ok(requests, requests["server_queue_ms"].fillna(0) + requests["server_prompt_ms"])


def ttft_unaccounted_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """TTFT - the queue and the prompt's processing that the server tells: on the way to its clock,
    in a queue that it doesn't tell, and on the first token's way back."""
    return ttft_ms(requests) - server_ttft_ms(requests)


def unaccounted_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Latency - the queue, the prompt's processing and the decoding that the server tells."""
    return latency_ms(requests) - server_ttft_ms(requests) - requests["server_decode_ms"]


def server_time_per_token_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Decode time / (n - 1), as the server itself says: the first token is the prompt's."""
    later = _float(requests["output_tokens"]) - 1
    return _ok(requests, requests["server_decode_ms"] / later.where(later > 0))


def input_tokens(requests: pd.DataFrame) -> "pd.Series[int]":
    """Prompt tokens by the server; where it doesn't say, by the prompt file's tokenizer."""
    return requests["input_tokens"].fillna(requests["prompt_tokens"])


def _milliseconds(durations_ns: "pd.Series[int]") -> "pd.Series[float]":
    return _float(durations_ns) / NS_PER_MS


def _float(column: "pd.Series[int]") -> "pd.Series[float]":
    """`column` as floats, NaN where not known."""
    return pd.Series(column.to_numpy(np.float64, na_value=np.nan), index=column.index)


def _ok(requests: pd.DataFrame, column: "pd.Series[float]") -> "pd.Series[float]":
    """`column` where the request succeeded."""
    return column.where(requests["ok"])
