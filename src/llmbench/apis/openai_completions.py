"""The dialect of OpenAI's ``/v1/completions``.

vLLM, llama.cpp, SGLang, LMDeploy and TGI 3 serve it too.
"""

from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from llmbench.apis.protocol import (
    END,
    NO_HEADERS,
    NOTHING,
    TEXT,
    Ask,
    Event,
    Headers,
    Trouble,
    error_words,
    words,
)

Extras = Literal["all", "length", "none"]
"""The fields that are sent beyond OpenAI's own reference.

These are all fields that engines know (engines ignore those of others), only the exact output
length (TensorRT-LLM), or none (OpenAI, Triton's OpenAI frontend).
"""


class CachedTokens(Struct, gc=False):
    """How many of a prompt's tokens came from a cache."""

    cached_tokens: int | None = None


class _Predictions(Struct, gc=False):
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class Usage(Struct, gc=False):
    """Token counts so far; they come in the last event or (vLLM's continuous usage) in each."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: CachedTokens | None = None
    completion_tokens_details: _Predictions | None = None


class Timings(Struct, gc=False):
    """The timings that llama.cpp adds to its last event."""

    prompt_ms: float | None = None
    predicted_ms: float | None = None
    cache_n: int | None = None
    draft_n: int | None = None
    draft_n_accepted: int | None = None


class Metrics(Struct, gc=False):
    """The timings that vLLM adds with ``enable_per_request_metrics``."""

    time_to_first_token_ms: float | None = None
    queue_time_ms: float | None = None
    generation_time_ms: float | None = None


class _Choice(Struct, gc=False):
    text: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None  # Kimi has it here


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = []
    usage: Usage | None = None
    timings: Timings | None = None
    metrics: Metrics | None = None
    error: Trouble = None
    object: str | None = None
    message: Any = None


_NO_CHOICE = _Choice()


class OpenAICompletions:
    """Sends the fields that `extras` names beyond OpenAI's own, as some servers refuse others.

    Without these fields outputs may be shorter than asked, and prompts may be cached.
    """

    framing: Literal["sse"] = "sse"
    ends_itself = True

    def __init__(self, name: str, extras: Extras = "all") -> None:
        self.name = name
        self._extras = extras
        self._decode = msgspec.json.Decoder(_Chunk).decode

    def path(self, ask: Ask) -> str:
        return "/v1/completions"

    def body(self, ask: Ask) -> dict[str, Any]:
        if ask.replayed is not None:
            return as_it_is(ask, ask.replayed, self._extras)
        body = {"model": ask.model, "prompt": ask.prompt, "max_tokens": ask.output_tokens}
        return body | common(ask, self._extras)

    def event(self, data: bytes) -> Event:
        if data == b"[DONE]":
            return END
        chunk = self._decode(data)
        choice = chunk.choices[0] if chunk.choices else _NO_CHOICE
        text = bool(choice.text)
        finish = choice.finish_reason
        usage = chunk.usage or choice.usage
        if (chunk.error or not chunk.choices) and (trouble := trouble_of(chunk)):
            return Event(error=trouble)
        if usage is None and finish is None and chunk.timings is None:
            return TEXT if text else NOTHING
        return counted(usage, chunk.timings, chunk.metrics, text=text, finish_reason=finish)

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        return self.event(data)

    def error(self, data: bytes) -> str | None:
        return error_words(data)


def common(ask: Ask, extras: Extras) -> dict[str, Any]:
    """The fields that completions and chat share: streaming, usage, exact length, no cache."""
    body: dict[str, Any] = {
        "temperature": ask.temperature,
        "seed": ask.seed,
        "stream": ask.stream,
    }
    if ask.stream:
        body["stream_options"] = {"include_usage": True}
    if extras == "all" and ask.stream:
        body["stream_options"]["continuous_usage_stats"] = True
    if extras != "none" and ask.exact:
        body |= {"ignore_eos": True, "min_tokens": ask.output_tokens}
    return body | (_cache(ask) if extras == "all" else {})


def as_it_is(ask: Ask, body: dict[str, Any], extras: Extras) -> dict[str, Any]:
    """`body` but for the model's name, streaming, without which there is no TTFT, and the cache."""
    streaming = {"stream_options": {"include_usage": True}} if ask.stream else {}
    apart = _cache(ask) if extras == "all" and ask.unique is not None else {}
    return body | {"model": ask.model, "stream": ask.stream} | streaming | apart


def named(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema as OpenAI takes it, to be held to strictly."""
    return {"name": "answer", "schema": schema, "strict": True}


def without_cache(ask: Ask) -> dict[str, Any]:
    """The fields by which engines generate an exact length, repeatably and without their caches."""
    body: dict[str, Any] = {"seed": ask.seed}
    if ask.exact:
        body |= {"ignore_eos": True, "min_tokens": ask.output_tokens}
    return body | _cache(ask)


def _cache(ask: Ask) -> dict[str, Any]:
    """The fields that keep a request out of the prompt cache, or ask for it."""
    if ask.unique is not None:
        return {"cache_prompt": False, "cache_salt": ask.unique}
    return {"cache_prompt": True} if ask.reuse else {}  # llama.cpp's may be started without


class _Troubled(Protocol):
    error: Trouble
    object: str | None
    message: Any


def trouble_of(chunk: _Troubled) -> str | None:
    """The error that a chunk tells, if it does: under ``error``, or as the whole of it."""
    trouble = words(chunk.error, chunk.message)
    return trouble or ("no message" if chunk.object == "error" else None)


def counted(
    usage: Usage | None,
    timings: Timings | None,
    metrics: Metrics | None,
    *,
    text: bool,
    reasoning: bool = False,
    finish_reason: str | None,
) -> Event:
    """An event that holds more than text: counts, timings or the finish reason."""
    details = None if usage is None else usage.prompt_tokens_details
    cached = None if details is None else details.cached_tokens
    if cached is None and timings is not None:
        cached = timings.cache_n
    told = usage is None or usage.completion_tokens_details is None
    if usage is not None and timings is None and metrics is None and finish_reason is None and told:
        return Event(  # nearly every event, where the counts come with each
            text=text,
            reasoning=reasoning,
            output_tokens=usage.completion_tokens,
            input_tokens=usage.prompt_tokens,
            cached_tokens=cached,
        )
    drafted, accepted = _drafts(usage, timings)
    return Event(
        text=text,
        reasoning=reasoning,
        drafted_tokens=drafted,
        accepted_tokens=accepted,
        output_tokens=None if usage is None else usage.completion_tokens,
        input_tokens=None if usage is None else usage.prompt_tokens,
        cached_tokens=cached,
        finish_reason=finish_reason,
        queue_ms=None if metrics is None else metrics.queue_time_ms,
        prompt_ms=_prompt_ms(timings, metrics),
        decode_ms=_decode_ms(timings, metrics),
    )


def _drafts(usage: Usage | None, timings: Timings | None) -> tuple[int | None, int | None]:
    """The tokens that were drafted and accepted; OpenAI's usage tells those rejected instead."""
    if timings is not None and timings.draft_n is not None:
        return timings.draft_n, timings.draft_n_accepted
    told = None if usage is None else usage.completion_tokens_details
    if told is None or told.accepted_prediction_tokens is None:
        return None, None
    accepted, rejected = told.accepted_prediction_tokens, told.rejected_prediction_tokens
    return None if rejected is None else accepted + rejected, accepted


def _prompt_ms(timings: Timings | None, metrics: Metrics | None) -> float | None:
    """The time from leaving the queue to the first token: vLLM counts its time to the first token
    from there too, and not from the request's arrival."""
    if timings is not None:
        return timings.prompt_ms
    return None if metrics is None else metrics.time_to_first_token_ms


def _decode_ms(timings: Timings | None, metrics: Metrics | None) -> float | None:
    if timings is not None:
        return timings.predicted_ms
    return None if metrics is None else metrics.generation_time_ms
