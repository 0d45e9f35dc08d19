"""The dialect of SGLang's own ``/generate``.

Each event repeats the whole text so far, unless the server runs with
``--incremental-streaming-output``; ``meta_info.completion_tokens`` shows how much is new.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from llmbench.apis.protocol import END, NO_HEADERS, Ask, Event, Headers, Trouble, error_words, words


class _Finish(Struct, gc=False):
    type: str | None = None
    message: str | None = None


class _Meta(Struct, gc=False):
    finish_reason: _Finish | str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    e2e_latency: float | None = None  # s; the following need --enable-metrics
    queue_time: float | None = None  # s
    request_received_ts: float | None = None  # Unix time, s
    prefill_finished_ts: float | None = None
    spec_verify_ct: int | None = None  # and these, speculative decoding
    spec_accepted_drafts: int | None = None
    spec_proposed_drafts: int | None = None
    spec_accept_token_num: int | None = None  # their names before
    spec_draft_token_num: int | None = None


class _Chunk(Struct, gc=False):
    text: str = ""
    meta_info: _Meta | None = None
    error: Trouble = None


_NO_META = _Meta()


def _account(meta: _Meta) -> dict[str, Any]:
    return {**_times(meta), **_drafts(meta)}


def _times(meta: _Meta) -> dict[str, float | None]:
    """The parts of the whole time; the prefill's end is told by the wall clock."""
    queue_ms, total_ms = _ms(meta.queue_time), _ms(meta.e2e_latency)
    received, prefilled = meta.request_received_ts, meta.prefill_finished_ts
    if received is None or prefilled is None or queue_ms is None:
        return {"queue_ms": queue_ms, "total_ms": total_ms}
    first_ms = 1e3 * (prefilled - received)
    return {
        "queue_ms": queue_ms,
        "prompt_ms": first_ms - queue_ms,
        "decode_ms": None if total_ms is None else total_ms - first_ms,
        "total_ms": total_ms,
    }


def _drafts(meta: _Meta) -> dict[str, int | None]:
    accepted, drafted = meta.spec_accepted_drafts, meta.spec_proposed_drafts
    return {
        "accepted_tokens": meta.spec_accept_token_num if accepted is None else accepted,
        "drafted_tokens": meta.spec_draft_token_num if drafted is None else drafted,
        "verify_steps": meta.spec_verify_ct,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds


class SGLang:
    """Sends ``extra_key``, which separates requests in the radix cache (old servers ignore it)."""

    name = "sglang"
    framing: Literal["sse"] = "sse"
    ends_itself = True

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Chunk).decode

    def path(self, ask: Ask) -> str:
        return "/generate"

    def body(self, ask: Ask) -> dict[str, Any]:
        sampling = {
            "max_new_tokens": ask.output_tokens,
            "temperature": ask.temperature,
            "ignore_eos": ask.exact,
        }
        body: dict[str, Any] = {
            "text": ask.prompt,
            "sampling_params": sampling,
            "stream": ask.stream,
        }
        return body if ask.unique is None else body | {"extra_key": ask.unique}

    def event(self, data: bytes) -> Event:
        if data == b"[DONE]":
            return END
        chunk = self._decode(data)
        if chunk.error and (trouble := words(chunk.error)):
            return Event(error=trouble)
        meta = chunk.meta_info or _NO_META
        finish = meta.finish_reason
        if isinstance(finish, _Finish):
            if finish.type == "abort":
                return Event(error=finish.message or "aborted by the server")
            finish = finish.type
        return Event(
            text=bool(chunk.text),
            cumulative=meta.completion_tokens is not None,
            output_tokens=meta.completion_tokens,
            input_tokens=meta.prompt_tokens,
            cached_tokens=meta.cached_tokens,
            finish_reason=finish,
            **(_account(meta) if finish is not None else {}),
        )

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        return self.event(data)

    def error(self, data: bytes) -> str | None:
        return error_words(data)
