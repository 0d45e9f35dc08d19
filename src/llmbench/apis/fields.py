"""Adds, renames and omits the fields of a request beyond its dialect's own.

Engines know fields that keep a measurement clean (an exact output length, no prompt cache), and
many servers refuse what they don't know. `OPTIONAL` says which fields a request can do without,
and what it means for the numbers.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from llmbench.records import LeftOut
from llmbench.value_types import RequestFields

OPTIONAL = (
    LeftOut("cache_salt", "prompts may be answered from the server's cache"),
    LeftOut("extra_key", "prompts may be answered from the server's cache"),
    LeftOut("cache_prompt", "prompts may be answered from the server's cache"),
    LeftOut("stream_options.continuous_usage_stats", "how many tokens an event holds is a guess"),
    LeftOut("min_tokens", "outputs may end early"),
    LeftOut("min_length", "outputs may end early"),
    LeftOut("ignore_eos", "outputs may end early"),
    LeftOut("seed", "the server draws tokens of its own choice"),
    LeftOut("random_seed", "the server draws tokens of its own choice"),
    LeftOut("temperature", "the server samples at its own temperature: repeats differ"),
    LeftOut("stream_options", "token counts are estimated unless the server tells them anyway"),
)
"""The fields that may be left out, in the order of trying; a dot leads into an object."""

RENAMED = {"max_tokens": "max_completion_tokens"}
"""The fields whose newer name is tried where the older one is refused."""


def tailored(body: dict[str, Any], fields: RequestFields) -> dict[str, Any]:
    """`body` changed as `fields` say; the same object where they say nothing."""
    if fields == RequestFields():
        return body
    changed = {k: dict(value) if isinstance(value, dict) else value for k, value in body.items()}
    for name in fields.omit:
        _remove(changed, name)
    for old, new in fields.rename.items():
        if old in changed:
            changed[new] = changed.pop(old)
    return merged(changed, fields.add)


def merged(body: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with the members of `more`, which win; objects in both are merged in turn."""
    result = dict(body)
    for key, value in more.items():
        inner = result.get(key)
        both = isinstance(inner, dict) and isinstance(value, Mapping)
        result[key] = merged(inner, value) if both and isinstance(inner, dict) else value
    return result


def omittable(body: Mapping[str, Any]) -> Iterator[LeftOut]:
    """The fields of `body` that a request can do without."""
    return (field for field in OPTIONAL if has(body, field.name))


def has(body: Mapping[str, Any], name: str) -> bool:
    """Whether `body` has the field that a dotted name leads to."""
    outer, _, inner = name.partition(".")
    if not inner:
        return outer in body
    return isinstance(body.get(outer), Mapping) and has(body[outer], inner)


def _remove(body: dict[str, Any], name: str) -> None:
    outer, _, inner = name.partition(".")
    if not inner:
        body.pop(outer, None)
    elif isinstance(body.get(outer), dict):
        _remove(body[outer], inner)
