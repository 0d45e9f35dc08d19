"""What can still be read where a server's bytes are not quite what its dialect promises."""

import json
import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from llmbench.apis.protocol import MOST_WORDS, NOTHING, UNREADABLE, Event, error_words

INSTEAD = "where a stream was asked for"
MOST_MENDS = 8
"""Members of one event that are left out before it counts as holding nothing."""

_AT = re.compile(r"at `\$(.*)`")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_UNFRAMED = re.compile(
    rb'^\s*(\{\s*"(?:error"\s*:|type"\s*:\s*"error").*)', re.MULTILINE | re.DOTALL
)


def salvaged(data: bytes, understand: Callable[[bytes], Event]) -> Event:
    """What an event says that `understand` has refused, without the members it can't read.

    Half a surrogate pair or half a character becomes a replacement character; a member of a type
    that the dialect doesn't know is left out. `msgspec.DecodeError` where `data` is not JSON.
    """
    if not data.strip():
        return NOTHING
    try:
        page = json.loads(data.decode(errors="replace"), parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        raise msgspec.DecodeError(f"an event is not JSON: {error_words(data)}") from None
    for _ in range(MOST_MENDS):
        try:
            return understand(json.dumps(page, ensure_ascii=False).encode(errors="replace"))
        except msgspec.ValidationError as error:
            if not _leave_out(page, str(error)):
                break
        except UNREADABLE:
            break
    return NOTHING


def no_stream(body: bytes) -> tuple[Literal["error_event", "malformed"], str] | None:
    """What a body says that is JSON, a page or a text, though a stream was asked for.

    None where it has the looks of a stream.
    """
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text or text.startswith((b":", b"data:", b"event:", b"id:", b"retry:")):
        return None
    said = error_words(body)
    if text.startswith((b"{", b"[")):
        try:
            msgspec.json.decode(body)
        except UNREADABLE:
            return None
        start = text[:MOST_WORDS].decode(errors="replace")
        return ("error_event", said) if said else ("malformed", f"JSON {INSTEAD}: {start}")
    return "malformed", f"a {'page' if text.startswith(b'<') else 'text'} {INSTEAD}: {said}"


def unframed_error(body: bytes) -> str | None:
    """The words of an ``{"error": …}`` that stands in a stream of events without being one."""
    if b'"error"' not in body:
        return None
    found = _UNFRAMED.search(body)
    if found is None:
        return None
    try:
        page, _ = json.JSONDecoder().raw_decode(found[1].decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return error_words(json.dumps(page).encode())


def _leave_out(page: Any, problem: str) -> bool:
    """Delete the member of `page` that msgspec's message names; whether there was one."""
    found = _AT.search(problem)
    steps = [name or int(index) for name, index in _STEP.findall(found[1] if found else "")]
    if not steps:
        return False
    try:
        for step in steps[:-1]:
            page = page[step]
        del page[steps[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True
