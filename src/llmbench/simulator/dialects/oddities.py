"""What servers have been seen to write otherwise than their dialect has it, event by event."""

import json
import math
from collections.abc import Callable
from typing import Any

Page = dict[str, Any]

TEXTS = (*("content", "reasoning_content", "response", "text", "text_output", "delta", "thinking"),)
REASONS = ("done_reason", "finish_reason", "stop_type", "stop_reason", "status")
COUNTS = (
    *("completion_tokens", "eval_count", "generated_tokens", "tokens_predicted", "output_tokens"),
)
HALF_A_PAIR = "\ud83d"
IMPOSSIBLE = 10**20


def odd(event: bytes, oddity: str, first: int) -> bytes:
    """`event`, whose first token is number `first`, with an oddity; what is not JSON stays."""
    if not oddity or not event.startswith(b"{"):
        return event
    page = json.loads(event)
    if oddity.startswith(FINISH):
        _change(page, REASONS, lambda reason: oddity.removeprefix(FINISH) if reason else reason)
    else:
        _ODDITIES[oddity](page, first)
    return json.dumps(page).encode()  # it writes half a pair as an escape, as those servers do


FINISH = "finish-"
FAILURES = (
    *("finish-abort", "finish-error", "finish-cancelled", "impossible-count"),
    *("missing-result", "doubled-result", "empty-result", "not-a-number"),
)
"""Oddities of answers that are none."""


def _change(page: Any, names: tuple[str, ...], change: Callable[[Any], Any]) -> None:
    """Change each member that has one of `names`, wherever it is; of an object, its ``type``."""
    for name, value in list(page.items()) if isinstance(page, dict) else enumerate(page):
        if name in names and name in REASONS and isinstance(value, dict) and "type" in value:
            value["type"] = change(value["type"])
        elif name in names and not isinstance(value, dict | list):
            page[name] = change(value)
        elif isinstance(value, dict | list):
            _change(value, names, change)


def _null_choices(page: Page, first: int) -> None:
    if not page.get("choices"):
        page["choices"] = None


def _usage_in_choice(page: Page, first: int) -> None:
    if "usage" in page and "choices" in page:
        page["choices"] = page["choices"] or [{"index": 0}]
        page["choices"][0]["usage"] = page.pop("usage")


def _empty_error(page: Page, first: int) -> None:
    page["error"] = {"message": "", "type": None}


def _delta(make: Callable[[str], Page]) -> Callable[[Page, int], None]:
    """A chat's delta as `make` makes it of the text."""

    def change(page: Page, first: int) -> None:
        for choice in page.get("choices") or ():
            if text := choice.get("delta", {}).get("content"):
                choice["delta"] = make(text)

    return change


def _half_pair(page: Page, first: int) -> None:
    _change(page, TEXTS, lambda text: HALF_A_PAIR if text else text)


def _unreadable_text(page: Page, first: int) -> None:
    if first == 2:
        _change(page, TEXTS, lambda text: {"unknown": text})


def _zero_usage(page: Page, first: int) -> None:
    if page.get("choices"):
        _change(page, COUNTS, lambda count: 0)


def _impossible_count(page: Page, first: int) -> None:
    _change(page, COUNTS, lambda count: IMPOSSIBLE)


def _results(change: Callable[[list[Page]], None]) -> Callable[[Page, int], None]:
    """Results, one for each input, as `change` leaves them."""

    def changed(page: Page, first: int) -> None:
        if results := page.get("data") or page.get("results"):
            change(results)

    return changed


def _empty(results: list[Page]) -> None:
    _change_last(results, lambda result: [])


def _not_a_number(results: list[Page]) -> None:
    _change_last(results, lambda r: [math.nan, *r[1:]] if isinstance(r, list) else math.nan)


def _change_last(results: list[Page], change: Callable[[Any], Any]) -> None:
    """Change the vector or the score of the last input."""
    name = "embedding" if "embedding" in results[-1] else "relevance_score"
    results[-1][name] = change(results[-1][name])


def _leave_out_last(results: list[Page]) -> None:
    results.pop()


def _double(results: list[Page]) -> None:
    results[-1]["index"] = results[0]["index"] if len(results) > 1 else 1


_ODDITIES: dict[str, Callable[[Page, int], None]] = {
    "null-choices": _null_choices,
    "usage-in-choice": _usage_in_choice,
    "empty-error": _empty_error,
    "content-parts": _delta(lambda text: {"content": [{"type": "text", "text": text}]}),
    "refusal": _delta(lambda text: {"refusal": text}),
    "function-call": _delta(lambda text: {"function_call": {"arguments": text}}),
    "half-surrogate": _half_pair,
    "unreadable-text": _unreadable_text,
    "zero-usage": _zero_usage,
    "impossible-count": _impossible_count,
    "missing-result": _results(_leave_out_last),
    "doubled-result": _results(_double),
    "empty-result": _results(_empty),
    "not-a-number": _results(_not_a_number),
}
