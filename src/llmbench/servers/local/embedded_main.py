"""The child process that runs llama.cpp's own server, embedded.

Native threads serve HTTP; no Python code runs while requests are under way.
"""

import signal
import sys
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from llmbench.process import announce, begin_child, pin


class EngineSettings(Struct, frozen=True):
    """The settings that the engine is started with; `context_tokens` is for each of the `slots`."""

    model: str
    weights: str
    threads: int
    context_tokens: int
    slots: int
    cores: tuple[int, ...]
    embeds: bool = False  # instead of generating
    pooling: str | None = None  # of the vectors; None: the model's own


def main(argv: list[str]) -> None:
    """Load the weights and serve on a free loopback port until a signal comes."""
    text, writer = begin_child(argv)
    settings = msgspec.json.decode(text, type=EngineSettings)
    pin(settings.cores)
    import xllamacpp

    print(f"system_info: {xllamacpp.get_system_info()}", flush=True)  # as llama.cpp's server does
    server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), settings))
    announce(writer, urlsplit(server.listening_address).port or 0)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def _parameters(p: Any, settings: EngineSettings) -> Any:
    """llama.cpp's parameters for `settings`, with prompt caches off and metrics on."""
    p.model.path = settings.weights
    p.model_alias = {settings.model}
    p.hostnames = ["127.0.0.1"]
    p.port = 0
    p.n_parallel = settings.slots
    p.n_ctx = settings.context_tokens * settings.slots
    p.cpuparams.n_threads = settings.threads
    p.cpuparams_batch.n_threads = settings.threads
    p.cache_prompt = False
    p.cache_ram_mib = 0
    p.endpoint_metrics = True
    p.embedding = settings.embeds
    if settings.pooling is not None:
        import xllamacpp

        pooling = f"LLAMA_POOLING_TYPE_{settings.pooling.upper()}"
        p.pooling_type = getattr(xllamacpp.llama_pooling_type, pooling)
    return p


if __name__ == "__main__":
    main(sys.argv[1:])
