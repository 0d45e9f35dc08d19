"""Embeddings and scores: one body with a result for each input, as vLLM writes them."""

from collections.abc import Callable
from math import sin
from typing import Any, Literal

import msgspec

from llmbench.simulator.asked import Asked
from llmbench.simulator.dialects.unnamed import Unnamed
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import Told

encode = msgspec.json.encode
DIMENSIONS = 64
"""The numbers of a vector; real models have hundreds or thousands."""


class ResultFormat(Unnamed):
    """A body that never streams, so it has no events; `results` are its members for the inputs."""

    framing: Literal["sse"] = "sse"

    def __init__(self, results: Callable[[int], dict[str, Any]]) -> None:
        self._results = results

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
        page = {"model": asked.model, **self._results(asked.inputs if total else 0)}
        return encode(page | ({"usage": tokens} if manner.usage else {}))

    def error_body(self, status: int, message: str) -> bytes:
        return encode({"error": {"message": message, "type": "simulated", "code": status}})


def embeddings(inputs: int) -> dict[str, Any]:
    """What OpenAI's ``/v1/embeddings`` holds; no vector is like another."""
    data = [
        {
            "object": "embedding",
            "index": number,
            "embedding": [round(sin(1 + number + place), 6) for place in range(DIMENSIONS)],
        }
        for number in range(inputs)
    ]
    return {"object": "list", "data": data}


def scores(inputs: int) -> dict[str, Any]:
    """What ``/v1/rerank`` holds: documents by their scores, the best first, which came first."""
    results = [
        {"index": number, "relevance_score": round(1 / (1 + number), 6)} for number in range(inputs)
    ]
    return {"id": "rerank-simulated", "results": results}
