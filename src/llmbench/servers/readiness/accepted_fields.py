"""Finds the request that a server takes, with as many of its fields as the server accepts."""

import httpx
from msgspec import Struct, structs

from llmbench.apis import RENAMED, has, omittable
from llmbench.config import ModelConfig
from llmbench.records import LeftOut
from llmbench.servers.readiness.probe import Refused, RefusedRequest, answered, ask
from llmbench.value_types import RequestFields


class Taken(Struct, frozen=True):
    """The request that the server accepted: how its fields differ from the dialect's, and why."""

    fields: RequestFields
    left_out: tuple[LeftOut, ...]
    first_token_at_s: float  # on `time.monotonic`; without a stream the end of the answer
    closes_connections: bool = False  # right after an answer, although it was to be kept alive


def try_request(http: httpx.Client, config: ModelConfig) -> Taken:
    """Have the measured request answered, with as many of its fields as the server accepts.

    `NotYet` or `Refused` say that no token came, whichever fields were left out.
    """
    taken = _first_taken(http, config)
    return _put_back(http, config, taken) if len(taken.left_out) > 1 else taken


def _first_taken(http: httpx.Client, config: ModelConfig) -> Taken:
    """Leave out one more field until the request is accepted, first those that the server names."""
    fields, left_out = config.request, list[LeftOut]()
    refusal: RefusedRequest | None = None
    while True:
        try:
            answer = answered(http, config, fields)
            return Taken(fields, tuple(left_out), answer.first_token_at_s, answer.closed)
        except RefusedRequest as error:
            refusal = refusal or error
            renamed = _renamed(config, fields, error.words)
            if renamed is not None:
                fields = renamed
                continue
            field = _next_to_omit(config, fields, error.words)
            if field is None:
                raise refusal from None
            left_out.append(field)
            fields = structs.replace(fields, omit=(*fields.omit, field.name))


def _put_back(http: httpx.Client, config: ModelConfig, taken: Taken) -> Taken:
    """Try again each field that was left out on the way but may not be what the server refused."""
    for field in taken.left_out[:-1]:
        fields = structs.replace(
            taken.fields, omit=tuple(name for name in taken.fields.omit if name != field.name)
        )
        try:
            answered(http, config, fields)
        except Refused:
            continue
        kept = tuple(other for other in taken.left_out if other != field)
        taken = structs.replace(taken, fields=fields, left_out=kept)
    return taken


def _next_to_omit(config: ModelConfig, fields: RequestFields, words: str) -> LeftOut | None:
    """The field to leave out next: one that the server's words name, else the next in line."""
    _, body = ask(config, fields)
    choices = list(omittable(body))
    named = (field for field in choices if field.name.rpartition(".")[2] in words)
    return next(named, None) or next(iter(choices), None)


def _renamed(config: ModelConfig, fields: RequestFields, words: str) -> RequestFields | None:
    """The fields, one of them under its newer name, if the server's words are about that one."""
    _, body = ask(config, fields)
    for old, new in RENAMED.items():
        if has(body, old) and (new in words or old in words):
            return structs.replace(fields, rename=fields.rename | {old: new})
    return None
