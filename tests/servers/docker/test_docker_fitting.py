"""A model that can't fit into its memory is told before its container starts."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest

from llmbench.config import DockerServer, ModelConfig
from llmbench.servers.docker.fitting import check_fits, needed_bytes
from llmbench.servers.running import LaunchError, RunningServer
from llmbench.value_types import ModelSize

LLAMA_2_7B = ModelSize("3.56g", layers=32, kv_heads=32, head_size=128)
GIB = 1 << 30


def model(size: ModelSize | None = LLAMA_2_7B, **changes: Any) -> ModelConfig:
    server = DockerServer("i", ("-c", "{context}"), port=80, context_tokens=2560)
    server = msgspec.structs.replace(server, **changes)
    return ModelConfig("m", "M", "m", "llama.cpp", "t", server, size=size)


def test_a_token_of_llama_2_7b_takes_half_a_mebibyte() -> None:
    assert LLAMA_2_7B.kv_bytes(1) == 1 << 19
    assert msgspec.structs.replace(LLAMA_2_7B, kv_number_bytes=1.0625).kv_bytes(2) == 557_056


def test_weights_and_the_cache_of_all_slots_are_needed() -> None:
    assert needed_bytes(model(), 10) == round(3.56 * GIB) + 12.5 * GIB


def test_an_engine_that_takes_what_is_left_needs_its_weights() -> None:
    assert needed_bytes(model(command=("serve",)), 10) == round(3.56 * GIB)


def test_on_gpus_and_without_a_size_nothing_is_known() -> None:
    assert needed_bytes(model(gpus=1), 10) is None
    assert needed_bytes(model(None), 10) is None
    check_fits(model(None), 10, 1)


def test_more_than_the_limit_is_told_with_what_it_is() -> None:
    check_fits(model(), 4, 16 * GIB)
    check_fits(model(), 10, None)
    with pytest.raises(LaunchError) as error:
        check_fits(model(), 10, 16 * GIB)
    assert str(error.value) == (
        "m: can't fit, so it was not started: weights of 3.6 GiB and a KV cache of 12.5 GiB "
        "(10 slots of 2560 tokens) in a limit of 16.0 GiB\n"
        "  hint: more memory (server.memory, --llm-memory), fewer users, or less context_tokens"
    )


def test_nothing_is_started_for_it(
    launch: Callable[..., AbstractContextManager[RunningServer]],
    smollm2: ModelConfig,
    ours: Callable[[str], list[str]],
) -> None:
    with (
        pytest.raises(LaunchError, match="can't fit, so it was not started"),
        launch(smollm2, 1, 128 << 20, "unfit"),
    ):
        pass
    assert ours("unfit") == []
