"""The dialect of ``/v1/rerank``, as vLLM, llama.cpp, Jina and Cohere serve it."""

import math
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from llmbench.apis.pooling.each_input import at_wrong_places, read
from llmbench.apis.protocol import (
    NO_HEADERS,
    UNREADABLE,
    Ask,
    Event,
    Headers,
    Trouble,
    error_words,
    words,
)


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    total_tokens: int | None = None  # with which Jina is content


class _Page(Struct, gc=False):
    results: list[Raw] = []
    usage: _Usage | None = None
    error: Trouble = None
    message: Any = None


class _Score(Struct, gc=False):
    index: int
    relevance_score: float | None


class _Scores(Struct, gc=False):
    results: list[_Score]


class Rerank:
    """Asks for a score of each document (the request's inputs) for the query (its prompt)."""

    name = "rerank"
    framing: Literal["sse"] = "sse"
    ends_itself = True
    inputs_alone = False  # each document goes with the query

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Page).decode
        self._decode_scores = msgspec.json.Decoder(_Scores).decode

    def path(self, ask: Ask) -> str:
        return "/v1/rerank"

    def body(self, ask: Ask) -> dict[str, Any]:
        documents = list(ask.inputs)
        query = " ".join(ask.prompt.split()[:QUERY_WORDS])
        return {
            "model": ask.model,
            "query": query,
            "documents": documents,
            "top_n": len(documents),
        }

    def event(self, data: bytes) -> Event:
        return self.whole(data)

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        page = self._decode(data)
        if trouble := words(page.error, None if page.results else page.message):
            return Event(error=trouble)
        usage = page.usage or _Usage()
        tokens = usage.prompt_tokens or usage.total_tokens
        return Event(text=bool(page.results), input_tokens=tokens)

    def flaw(self, data: bytes, inputs: int) -> str | None:
        try:
            results = read(data, self._decode_scores, _Scores).results
        except (*UNREADABLE, ValueError) as error:
            return f"the scores can't be read: {error}"
        if wrong := at_wrong_places([score.index for score in results], inputs, "score"):
            return wrong
        scores = [score.relevance_score for score in results]
        if not all(score is not None and math.isfinite(score) for score in scores):
            return "a score is not a finite number"
        return None

    def error(self, data: bytes) -> str | None:
        return error_words(data)


QUERY_WORDS = 16
"""The query is the first words of the first document, so that one document answers it."""
