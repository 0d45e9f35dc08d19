"""Cuts a streamed body into events, each with the offset of its last byte.

Server-sent events are read as in the WHATWG standard (LF, CR, CRLF; comments; data of several
lines), except that a last event without its blank line counts, and that the field ``error``,
which llama.cpp's server used to send, counts as data.
"""

import re
from collections.abc import Iterator
from typing import Literal

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|$)")
_NDJSON = re.compile(rb"[^\r\n]+")


def frames(body: bytes, framing: Literal["sse", "ndjson"]) -> Iterator[tuple[bytes, int]]:
    """The data of each event in `body` and the offset just after the event's last data byte."""
    if framing == "ndjson":
        return ((m[0], m.end()) for m in _NDJSON.finditer(body) if m[0].strip())
    if b"\r" in body or body.startswith(b"\xef\xbb\xbf"):
        return _events(body)
    return _blocks(body)


def _blocks(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Server-sent events whose lines end with LF: nearly always one line of data each."""
    begin = 0
    for block in body.split(b"\n\n"):
        end = begin + len(block)
        if block.startswith(b"data:") and b"\n" not in block and block != b"data:":
            yield (block[6:] if block.startswith(b"data: ") else block[5:]), end
        elif block:
            for data, offset in _events(block):
                yield data, begin + offset
        begin = end + 2


def _events(body: bytes) -> Iterator[tuple[bytes, int]]:
    """The `frames` of server-sent events that use all of the standard."""
    lines: list[bytes] = []
    end = 0
    position = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    while position < len(body):
        match = _LINE.match(body, position)
        assert match is not None  # it matches the empty line
        position = match.end()
        line = match[1]
        if not line and lines:
            yield b"\n".join(lines), end
            lines = []
        name, _, value = line.partition(b":")
        if name in (b"data", b"error") and value:
            lines.append(value[1:] if value[:1] == b" " else value)
            end = match.end(1)
    if lines:
        yield b"\n".join(lines), end
