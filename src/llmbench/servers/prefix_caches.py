"""Launches a server with its prefix cache on, though its command turns it off."""

from msgspec import structs

from llmbench.config import CommandServer, DockerServer, ModelConfig, Server
from llmbench.traffic import Cache

TURN_OFF = ("--no-enable-prefix-caching", "--disable-radix-cache", "--no-cache-prompt")
"""The switches of vLLM, SGLang and llama.cpp."""


def turns_cache_off(server: Server) -> bool:
    """Whether the command of a server says that it shall have no prefix cache."""
    return isinstance(server, DockerServer | CommandServer) and not {*TURN_OFF}.isdisjoint(
        server.command
    )


def with_cache(model: ModelConfig, cache: Cache | None) -> ModelConfig:
    """`model` as it is launched for `cache`: for ``on``, without the switch that turns it off."""
    server = model.server
    if cache != "on" or not isinstance(server, DockerServer | CommandServer):
        return model
    command = tuple(word for word in server.command if word not in TURN_OFF)
    return structs.replace(model, server=structs.replace(server, command=command))
