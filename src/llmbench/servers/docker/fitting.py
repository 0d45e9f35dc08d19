"""Says before a container is started that its model can't fit into its memory."""

from llmbench.config import ModelConfig, parse_bytes
from llmbench.servers.docker.spec import docker_server
from llmbench.servers.running import LaunchError

GIB = 2**30


def needed_bytes(config: ModelConfig, slots: int) -> int | None:
    """Weights and KV cache with so many slots, the least that a server needs; None: not known.

    The KV cache counts where the engine takes all of it at its start (``{context}``). Others use
    what is left. A server on GPUs has both of them there.
    """
    size, server = config.size, docker_server(config)
    if size is None or server.gpus or server.devices:
        return None
    whole_cache = any("{context}" in word for word in server.command)
    tokens = server.context_tokens * slots if whole_cache else 0
    return parse_bytes(size.weights, "size.weights") + size.kv_bytes(tokens)


def check_fits(config: ModelConfig, slots: int, limit_bytes: int | None) -> None:
    """Raise `LaunchError` where `config` with so many slots needs more than `limit_bytes`."""
    needed = needed_bytes(config, slots)
    if needed is None or limit_bytes is None or needed <= limit_bytes:
        return
    assert config.size is not None
    weights = parse_bytes(config.size.weights, "size.weights")
    tokens = docker_server(config).context_tokens
    raise LaunchError(
        config.name,
        f"can't fit, so it was not started: weights of {weights / GIB:.1f} GiB and a KV cache of "
        f"{(needed - weights) / GIB:.1f} GiB ({slots} slots of {tokens} tokens) in a limit of "
        f"{limit_bytes / GIB:.1f} GiB",
        hint="more memory (server.memory, --llm-memory), fewer users, or less context_tokens",
    )
