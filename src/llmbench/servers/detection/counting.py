"""Has a running server count the tokens of texts with its own tokenizer."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec

from llmbench.config import ConfigError
from llmbench.records import ClientSettings
from llmbench.servers.detection.engines import Tokenize
from llmbench.servers.readiness.http import http_client, read_bounded

COUNTING_S = 120.0
"""The time for counting all texts of one call."""

_WAYS: dict[Tokenize, tuple[str, Callable[[str, str], dict[str, Any]]]] = {
    "vllm": ("/tokenize", lambda m, t: {"model": m, "prompt": t, "add_special_tokens": False}),
    "llama.cpp": ("/tokenize", lambda m, t: {"content": t, "add_special": False}),
    "tgi": ("/tokenize", lambda m, t: {"inputs": t, "add_special_tokens": False}),
    "lmdeploy": ("/v1/encode", lambda m, t: {"input": t, "add_bos": False}),
}
"""The path and the question of each way; vLLM's is SGLang's and the simulator's, too."""


class ServerCounts:
    """Counts the tokens of texts, without special tokens, by asking the server at `url`."""

    def __init__(self, url: str, client: ClientSettings, model: str, way: Tokenize) -> None:
        self._url, self._client, self._model, self._way = url, client, model, way

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text; `ConfigError` where the server doesn't say."""
        try:
            with http_client(self._url, self._client, COUNTING_S) as http:
                return [self._count(http, text) for text in texts]
        except (httpx.HTTPError, msgspec.DecodeError, LookupError, TypeError) as error:
            path, _ = _WAYS[self._way]
            raise ConfigError(
                f"{self._url}{path} doesn't count tokens ({error or type(error).__name__}); name "
                "a tokenizer with --llm-tokenizer"
            ) from None

    def _count(self, http: httpx.Client, text: str) -> int:
        path, question = _WAYS[self._way]
        body = msgspec.json.encode(question(self._model, text))
        headers = {"content-type": "application/json"}
        with http.stream("POST", path, content=body, headers=headers) as response:
            page = msgspec.json.decode(read_bounded(response))
        if response.status_code != 200:
            raise LookupError(f"it answers {response.status_code}")
        if isinstance(page, list):
            return len(page)
        return int(page["length"]) if self._way == "lmdeploy" else len(page["tokens"])
