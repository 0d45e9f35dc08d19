"""The dialect of OpenAI's ``/v1/embeddings``, which vLLM, llama.cpp, SGLang and others serve."""

import base64
import math
from array import array
from collections.abc import Iterator, Sequence
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

Vector = list[float | None] | str
"""Numbers, or these as little-endian 32-bit floats in base64."""


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None


class _Page(Struct, gc=False):
    data: list[Raw] = []
    usage: _Usage | None = None
    error: Trouble = None
    message: Any = None


class _Embedding(Struct, gc=False):
    embedding: Vector
    index: int


class _Vectors(Struct, gc=False):
    data: list[_Embedding]


class OpenAIEmbeddings:
    """Asks for a vector for each input, as numbers, which all servers can send."""

    name = "openai-embeddings"
    framing: Literal["sse"] = "sse"
    ends_itself = True
    inputs_alone = True

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Page).decode
        self._decode_vectors = msgspec.json.Decoder(_Vectors).decode

    def path(self, ask: Ask) -> str:
        return "/v1/embeddings"

    def body(self, ask: Ask) -> dict[str, Any]:
        return {"model": ask.model, "input": list(ask.inputs), "encoding_format": "float"}

    def event(self, data: bytes) -> Event:
        return self.whole(data)

    def whole(self, data: bytes, headers: Headers = NO_HEADERS) -> Event:
        page = self._decode(data)
        if trouble := words(page.error, None if page.data else page.message):
            return Event(error=trouble)
        tokens = None if page.usage is None else page.usage.prompt_tokens
        return Event(text=bool(page.data), input_tokens=tokens)

    def flaw(self, data: bytes, inputs: int) -> str | None:
        try:
            vectors = read(data, self._decode_vectors, _Vectors).data
            numbers = [_numbers(vector.embedding) for vector in vectors]
        except (*UNREADABLE, ValueError) as error:
            return f"the vectors can't be read: {error}"
        misplaced = at_wrong_places([vector.index for vector in vectors], inputs, "vector")
        return misplaced or next(_faults(numbers), None)

    def error(self, data: bytes) -> str | None:
        return error_words(data)


Numbers = Sequence[float | None]


def _numbers(vector: Vector) -> Numbers:
    return vector if isinstance(vector, list) else list(array("f", base64.b64decode(vector)))


def _faults(vectors: Sequence[Numbers]) -> Iterator[str]:
    """What no vector of a working model is; servers send such where the computation failed."""
    lengths = sorted({len(vector) for vector in vectors})
    if 0 in lengths:
        yield "a vector is empty"
    if len(lengths) > 1:
        yield f"the vectors have different lengths: {lengths[0]} and {lengths[-1]} numbers"
    if any(number is None or not math.isfinite(number) for one in vectors for number in one):
        yield "a vector holds what is not a finite number"
    if not all(any(vector) for vector in vectors):
        yield "a vector is all zeros"
