"""Cuts a streamed body into events, each with the offset of its last byte.

Server-sent events are read as in the WHATWG standard (LF, CR, CRLF; comments; data of several
lines), except that a last event without its blank line counts, and that the field ``error``,
which llama.cpp's server used to send, counts as data. The data of an event that is named
``error`` comes as the ``error`` member of an object; without data its comments do.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Literal

import msgspec

from llmbench.apis.protocol import UNREADABLE, words

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|$)")
_EMPTY = (b"data:", b"data: ")
_PLAIN = re.compile(rb"data: ([^\n]+)\n\n")
"""An event as nearly all are; to find these alone takes a third of the time."""
_BLANK_LINE = 2  # bytes after an event's data that end it
_PLAIN_FRAME = len("data: ") + _BLANK_LINE
_NDJSON = re.compile(rb"[^\r\n]+")


def frames(body: bytes, framing: Literal["sse", "ndjson"]) -> Iterable[tuple[bytes, int]]:
    """The data of each event in `body` and the offset just after the event's last data byte."""
    if framing == "ndjson":
        return ((m[0], m.end()) for m in _NDJSON.finditer(body) if m[0].strip())
    if b"\r" in body or body.startswith(b"\xef\xbb\xbf"):
        return _events(body)
    data = _PLAIN.findall(body)
    ends = list(accumulate(map(_PLAIN_FRAME.__add__, map(len, data)), initial=-_BLANK_LINE))
    if ends[-1] + _BLANK_LINE == len(body):  # nothing stands between them, so these are all
        return zip(data, ends[1:], strict=True)
    return _blocks(body)


def _blocks(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Server-sent events whose lines end with LF: mostly of one line of data each."""
    begin = 0
    for block in body.split(b"\n\n"):
        end = begin + len(block)
        if block.startswith(b"data:") and b"\n" not in block and block not in _EMPTY:
            yield (block[6:] if block.startswith(b"data: ") else block[5:]), end
        elif block:
            for data, offset in _events(block):
                yield data, begin + offset
        begin = end + 2


def _events(body: bytes) -> Iterator[tuple[bytes, int]]:
    """The `frames` of server-sent events that use all of the standard."""
    lines: list[bytes] = []
    comments: list[bytes] = []
    is_error = False
    end = 0
    position = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    while position < len(body):
        match = _LINE.match(body, position)
        assert match is not None  # it matches the empty line
        position = match.end()
        name, _, value = match[1].partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not match[1]:
            if lines or is_error:
                yield _event(lines, comments, is_error), end
            lines, comments, is_error = [], [], False
        elif name == b"event":
            is_error, end = value == b"error", match.end(1)
        elif not name:
            comments.append(value)
        elif name in (b"data", b"error") and value:
            lines.append(value)
            end = match.end(1)
    if lines or is_error:
        yield _event(lines, comments, is_error), end


def _event(lines: list[bytes], comments: list[bytes], is_error: bool) -> bytes:
    """The data of one event."""
    if not is_error:
        return b"\n".join(lines)
    data = b"\n".join(lines or comments)
    try:
        trouble = msgspec.json.decode(data)
    except UNREADABLE:
        trouble = data.decode(errors="replace").strip()
    if isinstance(trouble, dict) and "error" in trouble:
        trouble = trouble["error"]
    told = trouble if words(trouble) else "an error event without a message"
    return msgspec.json.encode({"error": told})
