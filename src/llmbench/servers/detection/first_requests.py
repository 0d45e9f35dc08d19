"""Sends a server its first requests: whether it takes them, how long one lasts, what it counts."""

import time
from collections.abc import Sequence
from functools import partial

import httpx
from msgspec import Struct, structs

from llmbench.config import ConfigError, ModelConfig
from llmbench.servers.detection.asking import NamedUrl
from llmbench.servers.readiness.accepted_fields import Taken, try_request
from llmbench.servers.readiness.http import http_client
from llmbench.servers.readiness.probe import Refused, answered
from llmbench.servers.readiness.waiting import Wait
from llmbench.servers.running import LaunchError

FIRST_S = 120.0
"""The time for all first requests together."""


class Asking(Struct, frozen=True):
    """A request to try: its prompt, and how many tokens to ask for."""

    prompt: str
    output_tokens: int


class FirstRequests(Struct, frozen=True):
    """The dialect that the server takes and, for each request, how long it took and its prompt's
    tokens by the server's count (None: it doesn't count)."""

    api: str
    latencies_s: tuple[float, ...]
    input_tokens: tuple[int | None, ...]


def first_requests(
    config: ModelConfig, url: str, apis: Sequence[str], askings: Sequence[Asking]
) -> FirstRequests:
    """Have the server answer `askings` one after another, in the first of `apis` that it takes.

    Before these one request is sent that isn't timed. `ConfigError` says why none is taken.
    """
    wait = Wait(url, NamedUrl(), time.monotonic() + FIRST_S, patient=False)
    try:
        with http_client(url, config.client, FIRST_S) as http:
            config, taken = wait.for_(lambda: _taken(http, config, apis))
            answers = [wait.for_(partial(_timed, http, config, taken, a)) for a in askings]
    except LaunchError as error:
        raise ConfigError(str(error)) from None
    latencies_s, counts = zip(*answers, strict=True)
    return FirstRequests(config.api, latencies_s, counts)


def _taken(
    http: httpx.Client, config: ModelConfig, apis: Sequence[str]
) -> tuple[ModelConfig, Taken]:
    """`config` in the dialect that the server takes, and the request's fields."""
    first: Refused | None = None
    for api in apis:
        speaking = structs.replace(config, api=api)
        try:
            return speaking, try_request(http, speaking)
        except Refused as refused:
            first = first or refused
    assert first is not None
    raise first


def _timed(
    http: httpx.Client, config: ModelConfig, taken: Taken, asking: Asking
) -> tuple[float, int | None]:
    began = time.monotonic()
    answer = answered(http, config, taken.fields, asking.prompt, asking.output_tokens)
    return time.monotonic() - began, answer.input_tokens
