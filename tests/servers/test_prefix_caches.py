"""Servers that are launched with their prefix cache on, though their command turns it off."""

import pytest

from llmbench.config import CommandServer, ModelConfig, SimulatedServer
from llmbench.servers.prefix_caches import turns_cache_off, with_cache


def served_by(*command: str) -> ModelConfig:
    server = CommandServer(command=command)
    return ModelConfig("m", "M", "m", "openai-completions", "t", server)


@pytest.mark.parametrize("switch", ["--no-enable-prefix-caching", "--disable-radix-cache"])
def test_on_leaves_the_switch_out(switch: str) -> None:
    model = served_by("serve", switch, "--port", "{port}")
    assert turns_cache_off(model.server)
    on = with_cache(model, "on").server
    assert isinstance(on, CommandServer)
    assert on.command == ("serve", "--port", "{port}")
    assert with_cache(model, "off") is with_cache(model, None) is model


def test_a_server_without_a_switch_is_launched_as_it_is() -> None:
    model = served_by("serve", "--port", "{port}")
    assert not turns_cache_off(model.server)
    assert with_cache(model, "on") == model
    simulated = ModelConfig("m", "M", "m", "openai-completions", "t", SimulatedServer())
    assert with_cache(simulated, "on") is simulated
