"""Turns events into bytes: the form that an answer has on the wire under a manner."""

import zlib
from itertools import pairwise
from random import Random

import msgspec

from llmbench.simulator.manner import Manner

REASONS = {
    200: "OK",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

SERVER = "llmbench-simulator"
"""By this name in each answer's head its numbers are known for a simulator's."""

CONTENT_TYPES = {"sse": "text/event-stream", "ndjson": "application/x-ndjson"}
JSON = "application/json"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
LOGIN = b"<!doctype html><html><head><title>Sign in</title></head><body>Who are you?</body></html>"
HTML = "text/html; charset=utf-8"
NO_HTTP = b"\x15\x03\x01\x00\x02\x02\x50 this is not HTTP\r\n\r\n"


def head(status: int, content_type: str, *fields: str) -> bytes:
    """The head of an answer, with `fields` as further header fields."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}",
        f"server: {SERVER}",
        f"content-type: {content_type}",
        *fields,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def page(status: int, body: bytes, content_type: str = JSON, *fields: str) -> bytes:
    """A whole answer with its length in its head."""
    return head(status, content_type, f"content-length: {len(body)}", *fields) + body


def stream_head(manner: Manner, framing: str, length: int) -> bytes:
    """The head of a streamed answer; it gives the body's `length` if the manner does that."""
    fields = {
        "chunked": ["transfer-encoding: chunked"],
        "length": [f"content-length: {length}"],
        "close": ["connection: close"],
    }[manner.body]
    if manner.gzip:
        fields.append("content-encoding: gzip")
    return head(200, CONTENT_TYPES[framing], *fields)


def framed(
    data: bytes, framing: str, manner: Manner, *, final: bool = False, named: bool = False
) -> bytes:
    """One event's JSON in the form that it has in the body; the `final` one may lack a newline.

    Where events are `named`, the name is that of the JSON's first member, ``type``.
    """
    if framing == "ndjson":
        return data if final and not manner.final_newline else data + manner.newline
    newline = manner.newline
    lines = msgspec.json.format(data, indent=1).split(b"\n") if _splits(data, manner) else [data]
    event = newline.join(manner.prefix + line for line in lines)
    if named and data.startswith(b'{"type"'):
        event = b"event: " + data.split(b'"', 4)[3] + newline + event
    elif manner.named:
        event = b"event: message" + newline + b"id: 1" + newline + event
    if manner.comments:
        event = b": keep-alive" + newline + newline + event
    return event if final and not manner.final_newline else event + newline + newline


def unlike_an_event(error: bytes, manner: Manner) -> bytes:
    """An error's JSON as it stands in a stream where it is no event of the dialect's."""
    newline = manner.newline
    if manner.error_as == "unframed":
        return error + newline * 2
    if manner.error_as == "named-comment":
        return b"event: error" + newline + b": simulated failure" + newline * 2
    if manner.error_as == "named-message":
        data = b'data: {"message": "simulated failure", "code": 500}'
        return b"event: error" + newline + data + newline * 2
    return b""


def _splits(data: bytes, manner: Manner) -> bool:
    return manner.multiline and data.startswith(b"{")


class Body:
    """Turns parts of a body into what is sent: compressed and chunked as the manner says."""

    def __init__(self, manner: Manner) -> None:
        self._chunked = manner.body == "chunked"
        self._gzip = zlib.compressobj(wbits=31) if manner.gzip else None

    def part(self, data: bytes) -> bytes:
        """A part of the body, ready to be sent."""
        if self._gzip is not None:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        return chunk(data) if self._chunked else data

    def end(self) -> bytes:
        """The bytes that end the body."""
        rest = b"" if self._gzip is None else self._gzip.flush()
        if not self._chunked:
            return rest
        return (chunk(rest) if rest else b"") + LAST_CHUNK


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of HTTP's chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def cut_anywhere(data: bytes, random: Random) -> list[bytes]:
    """`data` in pieces, cut at up to three places and inside a non-ASCII character if any."""
    cuts = {random.randrange(1, len(data)) for _ in range(3)} if len(data) > 1 else set()
    inside = [index for index, byte in enumerate(data) if byte & 0xC0 == 0x80]
    if inside:
        cuts.add(random.choice(inside))
    places = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def cut_evenly(data: bytes, pieces: int) -> list[bytes]:
    """`data` in `pieces` of the same length, of which the last may be shorter."""
    length = -(-len(data) // pieces)
    return [data[at : at + length] for at in range(0, len(data), length)]
