"""The formulas of a request: one function for each, over a table of requests.

Each takes the table that `llmbench.metrics.table` makes (or any with the columns it names) and
returns a column of floats, with NaN where the quantity is undefined or not known. Failed requests
have no latency, no TTFT and no throughput: they are counted, but never averaged. docs/metrics.md
has the formulas with links to their sources.
"""

import numpy as np
import pandas as pd

NS_PER_MS = 1e6

SEVERAL_TOKENS = 1.1
"""Events hold several tokens each if there are more than this many tokens for an event.

A smaller surplus comes from tokens that are counted but not shown: the end of the text, and the
pieces of a character.
"""


def latency_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """End - start, from right before the write to the last event with tokens.

    Usage and ``[DONE]`` don't count; without a stream the end is that of the message.
    Source: the EchoSwift deck, latency(ms).
    """
    end = requests["last_token_ns"].fillna(requests["done_ns"])
    return _ok(requests, _milliseconds(end - requests["sent_ns"]))


def ttft_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """The first event that held a generated token - start; not known without a stream.

    Source: the EchoSwift deck, TTFT(ms).
    """
    return _ok(requests, _milliseconds(requests["first_token_ns"] - requests["sent_ns"]))


def ttft_uncertainty_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """How much earlier the first token may have come: latest - earliest bound of its stamp."""
    bounds = requests["first_token_ns"] - requests["first_token_earliest_ns"]
    return _ok(requests, _milliseconds(bounds))


def answer_ttft_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """First token of the answer after reasoning - start (AIPerf's TTFO, GuideLLM's TTFOT)."""
    return _ok(requests, _milliseconds(requests["first_answer_ns"] - requests["sent_ns"]))


def first_event_tokens(requests: pd.DataFrame) -> "pd.Series[float]":
    """Tokens of the first event (k): as the server says, else the events' equal share, else 1."""
    counted = _float(requests["first_event_tokens"])
    return counted.fillna(_share(requests).where(is_estimated(requests), 1.0))


def is_estimated(requests: pd.DataFrame) -> "pd.Series[bool]":
    """Whether events held several tokens, of which the server gave only the sum."""
    several = _share(requests) > SEVERAL_TOKENS
    return several & requests["first_event_tokens"].isna() & requests["ok"]


def _share(requests: pd.DataFrame) -> "pd.Series[float]":
    """The output tokens for each event that held any."""
    events = _float(requests["token_events"])
    return _float(requests["output_tokens"]) / events.where(events > 0)


def time_per_token_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """(latency - TTFT) / (n - k), with n output tokens, k of them in the first event.

    It is undefined (not 0) where n <= k. Source: the EchoSwift deck, time_per_token(ms/tokens),
    where k is 1.
    """
    later = _float(requests["output_tokens"]) - first_event_tokens(requests)
    return (latency_ms(requests) - ttft_ms(requests)) / later.where(later > 0)


def throughput_tokens_per_s(requests: pd.DataFrame) -> "pd.Series[float]":
    """(input + output tokens) / latency. Source: the EchoSwift deck, throughput(tokens/second).

    It rises with the prompt's length; a cell's throughput is never its mean.
    """
    tokens = _float(input_tokens(requests)) + _float(requests["output_tokens"])
    latency = latency_ms(requests)
    return tokens / (latency.where(latency > 0) / 1e3)


def scheduled_latency_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Latency, counted from the planned time of the request. Sources: MLPerf LoadGen, wrk2."""
    return latency_ms(requests) + schedule_delay_ms(requests)


def scheduled_ttft_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """TTFT, counted from the planned time of the request. Source: MLPerf LoadGen."""
    return ttft_ms(requests) + schedule_delay_ms(requests)


def schedule_delay_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Sent - scheduled, the client's own lateness; not known for a request that wasn't sent."""
    return _milliseconds(requests["sent_ns"] - requests["scheduled_ns"])


def client_lag_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """The longest time that data of the request lay in the kernel before the client read it."""
    return _milliseconds(requests["client_lag_ns"])


def server_ttft_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Queue + prompt processing, as the server itself says (an unknown queue counts as 0)."""
    return _ok(requests, requests["server_queue_ms"].fillna(0) + requests["server_prompt_ms"])


def ttft_unaccounted_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """TTFT - the queue and the prompt's processing, as the server says.

    This time is spent on the way to the server's clock, in a queue that the server doesn't report,
    and on the way of the first token back.
    """
    return ttft_ms(requests) - server_ttft_ms(requests)


def unaccounted_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Latency - the queue, the prompt's processing and the decoding, as the server says."""
    return latency_ms(requests) - server_ttft_ms(requests) - requests["server_decode_ms"]


def server_whole_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """From the request's receipt to the answer's end, as the server says, with its queue.

    Where it doesn't tell that as one, it is the sum of its parts, if it tells all of them.
    """
    parts = requests[["server_queue_ms", "server_prompt_ms", "server_decode_ms"]]
    return _ok(requests, requests["server_total_ms"].fillna(parts.sum(axis=1, skipna=False)))


def outside_server_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Latency - the server's own whole time: what passes before its clock starts and after."""
    return latency_ms(requests) - server_whole_ms(requests)


def server_time_per_token_ms(requests: pd.DataFrame) -> "pd.Series[float]":
    """Decode time / (n - 1), as the server itself says; the first token belongs to the prompt."""
    later = _float(requests["output_tokens"]) - 1
    return _ok(requests, requests["server_decode_ms"] / later.where(later > 0))


def input_tokens(requests: pd.DataFrame) -> "pd.Series[int]":
    """Prompt tokens as the server counts them, else as the prompt file's tokenizer does."""
    return requests["input_tokens"].fillna(requests["prompt_tokens"])


def _milliseconds(durations_ns: "pd.Series[int]") -> "pd.Series[float]":
    return _float(durations_ns) / NS_PER_MS


def _float(column: "pd.Series[int]") -> "pd.Series[float]":
    """`column` as floats, NaN where not known."""
    return pd.Series(column.to_numpy(np.float64, na_value=np.nan), index=column.index)


def _ok(requests: pd.DataFrame, column: "pd.Series[float]") -> "pd.Series[float]":
    """`column` where the request succeeded."""
    return column.where(requests["ok"])
