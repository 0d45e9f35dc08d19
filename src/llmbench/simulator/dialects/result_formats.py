"""Embeddings and scores: one body with a result for each input, as vLLM writes them."""

from math import sin
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from llmbench.simulator.asked import Asked
from llmbench.simulator.dialects.unnamed import Unnamed
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import Told

encode = msgspec.json.encode
DIMENSIONS = 64
"""The numbers of a vector; real models have hundreds or thousands."""


class ResultFormat(Unnamed):
    """What embeddings and scores have in common: they never stream, so they have no events."""

    framing: Literal["sse"] = "sse"

    def event(
        self, asked: Asked, manner: Manner, first: int, last: int, total: int, account: Told = None
    ) -> bytes:
        return self.whole(asked, manner, total)

    def early(self, asked: Asked) -> bytes:
        return b""

    def ending(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> list[bytes]:
        return []

    def error(self, message: str) -> bytes:
        return self.error_body(500, message)

    def whole(self, asked: Asked, manner: Manner, total: int, account: Told = None) -> bytes:
        tokens = {"prompt_tokens": asked.prompt_tokens, "total_tokens": asked.prompt_tokens}
        page = {"model": asked.model, **self.results(asked if total else replace(asked, inputs=0))}
        return encode(page | ({"usage": tokens} if manner.usage else {}))

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"error": {"message": message, "type": "simulated", "code": status}})

    def results(self, asked: Asked) -> dict[str, Any]:
        """The members of the page that hold the results."""
        raise NotImplementedError


class EmbeddingsFormat(ResultFormat):
    """OpenAI's ``/v1/embeddings``; no vector is like another."""

    def results(self, asked: Asked) -> dict[str, Any]:
        vectors = (
            [round(sin(1 + number + place), 6) for place in range(DIMENSIONS)]
            for number in range(asked.inputs)
        )
        data = [
            {"object": "embedding", "index": number, "embedding": vector}
            for number, vector in enumerate(vectors)
        ]
        return {"object": "list", "data": data}


class RerankFormat(ResultFormat):
    """``/v1/rerank``: the documents by their scores, the best first, which is the first sent."""

    def results(self, asked: Asked) -> dict[str, Any]:
        scores = (
            {"index": number, "relevance_score": round(1 / (1 + number), 6)}
            for number in range(asked.inputs)
        )
        return {"id": "rerank-simulated", "results": list(scores)}
