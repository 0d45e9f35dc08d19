"""The server's own count of tokens, in each engine's way."""

import pytest

from llmbench.config import ConfigError
from llmbench.records import ClientSettings
from llmbench.servers.detection.counting import ServerCounts
from llmbench.servers.detection.engines import Tokenize
from tests.simulated_engines import simulated_engine


@pytest.mark.parametrize("way", ["vllm", "llama.cpp", "tgi", "lmdeploy"])
def test_texts_are_counted(way: Tokenize) -> None:
    with simulated_engine(way) as url:
        count = ServerCounts(url, ClientSettings(), "m", way)
        assert count(["12345678", "x", "123456789"]) == [2, 1, 3]


def test_a_server_that_does_not_count_is_told() -> None:
    with simulated_engine("ollama") as url:
        count = ServerCounts(url, ClientSettings(), "m", "vllm")
        with pytest.raises(ConfigError) as caught:
            count(["x"])
    assert str(caught.value) == (
        f"{url}/tokenize doesn't count tokens (it answers 404); name a tokenizer with "
        "--llm-tokenizer"
    )
