"""Turns the URL of a server into a configuration, asking the server for what nobody has told."""

import random
import re
from typing import Any

from msgspec import Struct, structs

from llmbench.access import check_url, tls_context
from llmbench.bench.grids.first_grid import INPUT_TOKENS, OUTPUT_TOKENS, first_grid
from llmbench.bench.served_tokenizer import Choice, chosen_tokenizer
from llmbench.config import ConfigError, Grid, ModelConfig, RemoteServer
from llmbench.prompts import COMMON_WORDS, CountedElsewhere
from llmbench.records import ClientSettings
from llmbench.servers import Asking, Engine, FirstRequests, detect, find_local, first_requests
from llmbench.value_types import RequestFields

AUTO = "auto"
"""The URL that stands for the only model server of this host."""

DEFAULT_API = "openai-completions"
SHORT_WORDS = 16
MOST_LISTED = 12


class Sought(Struct, frozen=True):
    """What the user says of a server at a URL; an empty text is left to the server."""

    url: str
    model: str = ""
    api: str = ""
    tokenizer: str = ""
    client: ClientSettings = ClientSettings()
    request: RequestFields = RequestFields()
    replicas: tuple[str, ...] = ()  # further URLs, which share the load

    @property
    def says_all(self) -> bool:
        """Whether nothing has to be asked; the dialect has a default."""
        return bool(self.model and self.tokenizer) and self.url != AUTO


class Served(Struct, frozen=True):
    """A server that can be measured, and what it told; without `line` nothing was asked.

    `grid` stands below what the user set anywhere. `context_tokens` bounds the prompt and the
    answer of a request together.
    """

    model: ModelConfig
    grid: Grid = Grid()
    context_tokens: int | None = None
    counter: CountedElsewhere | None = None
    line: str = ""
    facts: dict[str, Any] = {}

    def too_long(self, input_tokens: int, output_tokens: int) -> str | None:
        """Why requests of these lengths don't fit; None where they do."""
        longest = self.context_tokens
        if longest is None or input_tokens + output_tokens <= longest:
            return None
        return f"{input_tokens:,} + {output_tokens:,} tokens don't fit its context of {longest:,}"


def served(sought: Sought, *, sends: bool = True) -> Served:
    """The server that `sought` means; `ConfigError` says what can't be found out.

    Without `sends` only its pages are read, and no request is sent.
    """
    if sought.says_all:
        return Served(_model(sought))
    url = find_local() if sought.url == AUTO else sought.url
    engine = detect(url, sought.client)
    name = sought.model or _only_model(engine, url)
    apis = (sought.api,) if sought.api else engine.apis
    known = structs.replace(sought, url=url, model=name, api=apis[0])
    model = _model(known, _short(name))
    if not sends:
        return Served(model, first_grid(None), engine.context_tokens)
    askings = _askings(engine.context_tokens)
    first = first_requests(model, url, apis, askings)
    texts = [asking.prompt for asking in askings]
    choice = (
        Choice(sought.tokenizer, None, f"counted by {sought.tokenizer}")
        if sought.tokenizer
        else chosen_tokenizer(engine, model, texts, first.input_tokens)
    )
    model = structs.replace(model, api=first.api, tokenizer=choice.name)
    return _told(engine, model, first, choice, url)


def _told(
    engine: Engine, model: ModelConfig, first: FirstRequests, choice: Choice, url: str
) -> Served:
    """The server with all that was found out, as a line for the user and as facts of the run."""
    grid = first_grid(first.latencies_s[-1])
    facts = {
        "url": url,
        "engine": engine.name,
        "version": engine.version,
        "model": model.model,
        "api": model.api,
        "context_tokens": engine.context_tokens,
        "tokenizer": choice.name,
        "prompts": choice.how,
        "first_request_s": round(first.latencies_s[-1], 3),
        "requests": grid.requests,
        "users": grid.users,
    }
    users = ", ".join(map(str, grid.users or ()))
    name = " ".join(filter(None, (engine.name, engine.version)))
    context = "" if engine.context_tokens is None else f", context {engine.context_tokens:,} tokens"
    line = (
        f"{url} is {name}: model {model.model}, api {model.api}{context}, prompts {choice.how}; "
        f"a request took {first.latencies_s[-1]:.2g} s, so {grid.requests} for each of {users} "
        "users (--llm-model, --llm-api, --llm-tokenizer, --llm-users, --llm-requests override)"
    )
    return Served(model, grid, engine.context_tokens, choice.counter, line, facts)


def _model(sought: Sought, shown: str = "") -> ModelConfig:
    """The configuration of a server about which all is known; `shown` is its model's short name."""
    check_url(sought.url, "--llm-url")
    if sought.url.startswith("https:"):
        tls_context(sought.client)
    name = shown or sought.model
    return ModelConfig(
        name=re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-").lower() or "remote",
        title=f"{name} at {sought.url}",
        model=sought.model,
        api=sought.api or DEFAULT_API,
        tokenizer=sought.tokenizer,
        server=RemoteServer(sought.url, sought.replicas),
        client=sought.client,
        request=sought.request,
    )


def _only_model(engine: Engine, url: str) -> str:
    if len(engine.models) == 1:
        return engine.models[0]
    if not engine.models:
        raise ConfigError(
            f"--llm-url: {url} ({engine.name}) lists no model; name it with --llm-model"
        )
    more = len(engine.models) - MOST_LISTED
    listed = ", ".join(engine.models[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
    raise ConfigError(
        f"--llm-url: {url} ({engine.name}) serves several models: {listed}; name one with "
        "--llm-model"
    )


def _short(model: str) -> str:
    """The last part of a model that is named by its file or folder; other names as they are."""
    is_path = model.startswith(("/", "~", "./")) or model.count("/") > 1
    return model.rstrip("/").rpartition("/")[2].removesuffix(".gguf") if is_path else model


def _askings(context_tokens: int | None) -> list[Asking]:
    """A short request and one of the first cell's lengths, or shorter where that doesn't fit."""
    fits = (context_tokens or 4 * INPUT_TOKENS) // 4
    lengths = ((SHORT_WORDS, SHORT_WORDS), (min(INPUT_TOKENS, fits), min(OUTPUT_TOKENS, fits)))
    draw = random.Random(0)
    return [
        Asking(" ".join(draw.choices(COMMON_WORDS, k=words)), tokens) for words, tokens in lengths
    ]
