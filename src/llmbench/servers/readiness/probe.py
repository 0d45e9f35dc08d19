"""Asks a server whether it is up, and whether it accepts the very request that is measured.

The request that is tried has all the fields of the measured ones, and is streamed if they are;
`accepted_fields` leaves some of them out where a server refuses it.
"""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from llmbench.access import masked
from llmbench.apis import (
    UNREADABLE,
    Ask,
    Dialect,
    Event,
    dialect,
    frames,
    generates,
    salvaged,
    tailored,
    unframed_error,
)
from llmbench.config import ModelConfig
from llmbench.servers.readiness.http import bounded_parts, get, read_bounded
from llmbench.simulator import HEADER
from llmbench.value_types import RequestFields

LOADING = frozenset({425, 429, 503})
"""The statuses of a server that is not ready yet."""

REFUSING = frozenset({400, 422, 500, 501})
"""The statuses with which servers refuse fields, though each may also mean something else."""

BODY_SHOWN = 300
"""The number of characters of an answer's body that an error shows."""

CLOSING_S = 0.05
"""How long the end of a connection may take to come after an answer that it was sent with."""

PROMPT = "Hello"
TOKENS = 16
"""The number of tokens to ask for; some servers refuse to generate a single one."""


class NotYet(Exception):
    """The server isn't ready yet; the message says what showed that."""


class Refused(Exception):
    """The server answered, and waiting won't help; `hint` says what may help."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class RefusedRequest(Refused):
    """The server refuses the request but may take it without some field; `words` are its own."""

    def __init__(self, message: str, hint: str, words: str) -> None:
        super().__init__(message, hint)
        self.words = words


def is_healthy(http: httpx.Client, path: str, patient: bool) -> bool:
    """Whether the server says that it is up; False if it has no such endpoint, else `NotYet`."""
    response, body = get(http, path)
    status = response.status_code
    if status in LOADING or (patient and status >= 500):
        raise NotYet(f"{path} answers {status}: {_shown(body)}")
    return response.is_success


def ask(
    config: ModelConfig, fields: RequestFields, prompt: str = PROMPT, tokens: int = TOKENS
) -> tuple[str, dict[str, Any]]:
    """The path and the body of the request, as the load sends it."""
    speaks = dialect(config.api)
    ask = Ask(prompt, tokens, config.model, stream=_streams(config), unique="ready")
    return speaks.path(ask), tailored(speaks.body(ask), fields)


def _streams(config: ModelConfig) -> bool:
    """Whether answers come token by token, as far as they hold any."""
    return config.client.stream and generates(config.api)


class Answered(Struct, frozen=True):
    """When the first token came, whether the server then closed the connection, and how many
    tokens the prompt had by the server's count (None: it doesn't say)."""

    first_token_at_s: float
    closed: bool
    input_tokens: int | None = None


def answered(
    http: httpx.Client,
    config: ModelConfig,
    fields: RequestFields,
    prompt: str = PROMPT,
    tokens: int = TOKENS,
) -> Answered:
    """Have the request answered; `NotYet` or `Refused` if the answer holds no token."""
    path, body = ask(config, fields, prompt, tokens)
    content = msgspec.json.encode(body)
    with http.stream("POST", path, content=content, headers=_headers(config)) as response:
        if response.status_code in LOADING:
            raise NotYet(f"{path} answers {response.status_code}: {_shown(_start(response))}")
        if not response.is_success:
            raise _refusal(config, path, response)
        answer = _Answer(dialect(config.api), streamed=_streams(config))
        for part in bounded_parts(response):
            answer.take(part)
        answer.end()
    first_s = answer.verdict(config, path)
    return Answered(first_s, closes_soon(response), answer.input_tokens)


def closes_soon(response: httpx.Response) -> bool:
    """Whether the server ends the connection of a response that is over, within `CLOSING_S`.

    llama.cpp's server does so after every stream, although it announces to keep it alive: a next
    request on that connection would cross its end.
    """
    stream = response.extensions.get("network_stream")
    until_s = time.monotonic() + CLOSING_S
    while stream is not None and time.monotonic() < until_s:
        if stream.get_extra_info("is_readable"):
            return True
        time.sleep(CLOSING_S / 20)
    return False


class _Answer:
    """A streamed or whole answer as it comes; knows its first token's time and what is wrong."""

    def __init__(self, speaks: Dialect, *, streamed: bool) -> None:
        self._dialect, self._streamed = speaks, streamed
        self._body = b""
        self._first_s: float | None = None
        self._error: str | None = None
        self._foreign = False
        self.input_tokens: int | None = None

    def take(self, part: bytes) -> None:
        self._body += part
        if self._streamed and self._first_s is None and any(_has_text(e) for e in self._events()):
            self._first_s = time.monotonic()

    def end(self) -> None:
        """Note that the whole answer has come."""
        if not self._streamed:
            event = self._whole()
            if event is not None and (_has_text(event) or event.output_tokens):
                self._first_s = time.monotonic()
            self.input_tokens = None if event is None else event.input_tokens
        for event in self._events() if self._streamed else ():
            self._error = self._error or event.error
            self.input_tokens = event.input_tokens or self.input_tokens
        if self._streamed:
            self._error = self._error or unframed_error(self._body)

    def verdict(self, config: ModelConfig, path: str) -> float:
        """The time of the first token; raises where none came, or an error came with it."""
        if self._error is not None:
            raise RefusedRequest(
                masked(f"{path} answers 200 with an error: {self._error}", config.client),
                "look at the server's log",
                self._error,
            )
        if self._first_s is None:
            what = "what is not" if self._foreign or not self._body.strip() else "no token of"
            raise RefusedRequest(
                masked(
                    f"{path} answers 200 with {what} {config.api}: {_shown(self._body)}",
                    config.client,
                ),
                "is it an inference server's URL, and its API? A login page or a proxy may answer "
                "in its place; otherwise look at the server's log",
                "",
            )
        return self._first_s

    def _events(self) -> Iterator[Event]:
        for data, _ in frames(self._body, self._dialect.framing):
            try:
                yield self._dialect.event(data)
            except UNREADABLE:
                yield from self._salvaged(data)
        if not self._body.startswith((b"data", b":", b"event", b"{", b"id", b"retry")):
            self._foreign = True

    def _salvaged(self, data: bytes) -> Iterator[Event]:
        """What can be read of an event all the same."""
        try:
            yield salvaged(data, self._dialect.event)
        except msgspec.DecodeError:
            self._foreign = True

    def _whole(self) -> Event | None:
        try:
            event = self._dialect.whole(self._body)
        except UNREADABLE:
            self._foreign = True
            return None
        self._error = event.error
        return event


def _has_text(event: Event) -> bool:
    return bool(event.text or event.reasoning or event.tokens)


def _headers(config: ModelConfig) -> dict[str, str]:
    """The request's headers; a simulator's fault is for the measured requests, not for this one."""
    return {"content-type": "application/json"} | ({HEADER: "none"} if config.simulated else {})


def _refusal(config: ModelConfig, path: str, response: httpx.Response) -> Refused:
    body = _start(response)
    message = masked(f"{path} answers {response.status_code}: {_shown(body)}", config.client)
    hint = _hint(config, response)
    if response.status_code in REFUSING:
        return RefusedRequest(message, hint, body.decode(errors="replace"))
    return Refused(message, hint)


def _hint(config: ModelConfig, response: httpx.Response) -> str:
    """The hint for an answer that is not a completion."""
    status = response.status_code
    key = config.client.api_key_env
    if status in (401, 403):
        return f"set the API key in the environment variable {key}, or check that it is valid"
    if status in (404, 405):
        return (
            f"the server has no such path: check the URL (without the API's own path) and "
            f"the api ({config.api}), and that it serves the model {config.model!r}"
        )
    if response.is_redirect:
        return (
            f"redirects are not followed; use the URL behind it: {response.headers.get('location')}"
        )
    if status >= 500:
        return "the server fails by itself: look at its log"
    return (
        f"the server refuses the request: check model ({config.model!r}) and api ({config.api}); "
        "a field that it doesn't know can be left out with omit under [request] in the TOML, or "
        "--llm-request-omit"
    )


def _start(response: httpx.Response) -> bytes:
    try:
        return read_bounded(response)
    except httpx.DecodingError as error:
        return str(error).encode()


def _shown(body: bytes) -> str:
    text = " ".join(body[: 4 * BODY_SHOWN].decode(errors="replace").split())
    return text[:BODY_SHOWN] or "(empty body)"
