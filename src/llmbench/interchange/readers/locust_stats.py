"""Reads the JSON that Locust writes of its statistics (``--json-file``).

Locust knows no tokens. A user that streams reports a TTFT, a time per token and the tokens of
each answer as requests named so, beside the request itself, as recipes/locust.toml of the judge
does. Locust rounds times to two digits (100 ms and more) or to whole milliseconds. When the load
began is not in the file: an entry starts with the end of its first request. So no rates are known.
"""

from itertools import accumulate
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.interchange.measurements import Times, ToolFile, ToolMeasurement, UnfitField, times

DEFINITION = (
    "Locust: time_per_token is what the user's code reports as such; Locust rounds times to whole "
    "milliseconds, and from 100 ms on to two digits"
)
TTFT, TIME_PER_TOKEN, TOKENS = "TTFT", "time per token", "output tokens"


class LocustEntry(Struct, frozen=True):
    """One name's statistics; `response_times` counts each rounded time in ms."""

    name: str
    method: str
    num_requests: int
    num_failures: int
    total_response_time: float
    response_times: dict[str, int]
    total_content_length: int = 0

    @property
    def mean_ms(self) -> float | None:
        """Of the times before they were rounded."""
        return self.total_response_time / self.num_requests if self.num_requests else None

    def percentile(self, share: float) -> float | None:
        """The smallest time that at least this share of the requests did not exceed."""
        ordered = sorted((float(time), count) for time, count in self.response_times.items())
        counts = accumulate(count for _, count in ordered)
        needed = share * sum(self.response_times.values())
        return next(
            (time for (time, _), n in zip(ordered, counts, strict=True) if n >= needed), None
        )


def is_locust(document: Any) -> bool:
    """Whether it is a list of statistics as Locust keeps them."""
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and {"response_times", "num_fail_per_sec"} <= {*first}


def read_locust(document: Any) -> ToolFile:
    """The one load of a file whose user reports TTFT, time per token and tokens."""
    entries = {entry.name: entry for entry in msgspec.convert(document, list[LocustEntry])}
    named = {TTFT, TIME_PER_TOKEN, TOKENS}
    whole = next((entry for name, entry in entries.items() if name not in named), None)
    if whole is None or TTFT not in entries:
        raise UnfitField("name", f"no requests called {TTFT!r} beside the requests themselves")
    tokens = entries[TOKENS].total_content_length if TOKENS in entries else None
    succeeded = whole.num_requests - whole.num_failures
    measurement = ToolMeasurement(
        cell_id=f"locust-requests{whole.num_requests}",
        load={"name": whole.name, "requests": str(whole.num_requests)},
        asked=whole.num_requests,
        succeeded=succeeded,
        ttft=_times(entries.get(TTFT), TTFT),
        time_per_token=_times(entries.get(TIME_PER_TOKEN), TIME_PER_TOKEN),
        latency=_times(whole, whole.name),
        output_tokens_per_s=None,
        output_tokens=tokens / succeeded if tokens and succeeded else None,
    )
    return ToolFile(None, (measurement,))


def _times(entry: LocustEntry | None, name: str) -> Times:
    if entry is None:
        return Times(name)
    figures = {f"p{round(100 * share)}": entry.percentile(share) for share in (0.5, 0.95, 0.99)}
    return times(name, figures | {"mean": entry.mean_ms})
