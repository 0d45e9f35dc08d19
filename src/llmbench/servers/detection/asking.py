"""Finds out what serves at a URL, or where on this host something serves at all."""

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.records import ClientSettings
from llmbench.servers.detection.engines import Engine, recognise
from llmbench.servers.detection.json_pages import PAGE_S, Pages
from llmbench.servers.readiness.http import get, http_client
from llmbench.servers.readiness.waiting import Wait
from llmbench.servers.running import LaunchError

LOCAL_PORTS = (8000, 8080, 30000, 11434, 1234, 23333, 3000)
"""vLLM, llama.cpp, SGLang, Ollama, LM Studio, LMDeploy and TGI listen there by default."""

ASKING_S = 15.0
"""The time for all pages of one server together."""

LOOKING_S = 6.0
"""The same for one port of this host, where something else may listen and say nothing."""

CONNECT_S = 0.5
"""How long a port of this host may take to accept a connection."""


class NamedUrl:
    """What waiting watches: a URL of the command line."""

    def failure(self) -> LaunchError | None:
        return None

    def error(self, state: str, code: int | None = None, hint: str | None = None) -> LaunchError:
        return LaunchError("--llm-url", state, exit_code=code, hint=hint)


def detect(url: str, client: ClientSettings) -> Engine:
    """The engine at `url`; `ConfigError` where nothing answers, or no model server does."""
    wait = Wait(url, NamedUrl(), time.monotonic() + ASKING_S, patient=False)
    try:
        with http_client(url, client, ASKING_S) as http:
            wait.for_(lambda: _reach(http))
            pages = Pages(http)
            engine = recognise(pages)
    except LaunchError as error:
        raise ConfigError(str(error)) from None
    if engine is None and pages.denied:
        raise ConfigError(
            f"--llm-url: {url} wants an API key: set it in the environment variable "
            f"{client.api_key_env}"
        )
    if engine is None:
        raise ConfigError(
            f"--llm-url: {url} answers, but not as a model server that is known; name its "
            "--llm-model, --llm-api and --llm-tokenizer"
        )
    return engine


def _reach(http: httpx.Client) -> None:
    """Have the server answer anything; what it can't be connected for is raised."""
    with suppress(httpx.DecodingError):
        get(http, "/v1/models", timeout=PAGE_S)


class Looked(Struct, frozen=True):
    """The model servers found on this host, and the ports where something else answers."""

    servers: dict[str, Engine]  # by URL
    others: tuple[int, ...]


def find_local(ports: Sequence[int] = LOCAL_PORTS) -> str:
    """The URL of the only model server on this host; `ConfigError` where there are more or none."""
    looked = _look(ports)
    if len(looked.servers) == 1:
        return next(iter(looked.servers))
    if looked.servers:
        listed = ", ".join(f"{url} ({engine.name})" for url, engine in looked.servers.items())
        raise ConfigError(f"--llm-url auto: several model servers answer: {listed}; name one")
    tried = ", ".join(map(str, ports))
    others = " and ".join(map(str, looked.others))
    others = f" (what answers at {others} is none, or wants an API key)" if others else ""
    raise ConfigError(
        f"--llm-url auto: no model server answers on 127.0.0.1 at {tried}{others}; start one, or "
        "name its URL"
    )


def _look(ports: Sequence[int]) -> Looked:
    """Ask at every port, without the API key: who listens there isn't known."""
    client = ClientSettings(api_key_env="")
    servers, others = dict[str, Engine](), list[int]()
    for port in ports:
        if not _listens(port):
            continue
        url = f"http://127.0.0.1:{port}"
        try:
            with http_client(url, client, LOOKING_S) as http:
                engine = recognise(Pages(http))
        except httpx.HTTPError:
            engine = None
        if engine is None:
            others.append(port)
        else:
            servers[url] = engine
    return Looked(servers, tuple(others))


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), CONNECT_S).close()
    except OSError:
        return False
    return True


def is_here(url: str) -> bool:
    """Whether `url` is on this host, so that paths that its server names are files here."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
