"""Reads the requests of a JSONL file that are to be replayed.

A line is a whole body of a request (with ``messages`` or a ``prompt``), or a line of an OpenAI
batch file, which holds one in its ``body``. ``timestamp`` (seconds) says when it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmbench.config import ConfigError
from llmbench.traffic import Bodies, Replayed, ReplayedBody

_LIMITS = ("max_tokens", "max_completion_tokens", "output_tokens")
_URLS = ("/v1/chat/completions", "/v1/completions")
_OWN = ("timestamp", "output_tokens")
"""The members of a line that are ours, and no part of the request."""


def bodies_of(traffic: Replayed) -> Bodies:
    """The requests of the file, by time where they have timestamps."""
    read = list(_lines(traffic))
    if not read:
        raise ConfigError(f"{traffic.file}: it holds no requests")
    kinds = {"messages" in body for _, body in read}
    if len(kinds) > 1:
        raise ConfigError(
            f"{traffic.file}: some requests have 'messages' and others a 'prompt', which go to"
            " different endpoints; make two files of them"
        )
    timed = [where for where, body in read if "timestamp" in body]
    if timed and len(timed) < len(read):
        missing = next(where for where, body in read if "timestamp" not in body)
        raise ConfigError(f"{missing}: 'timestamp' is missing, which other requests have")
    bodies = [_body(where, raw, traffic) for where, raw in read]
    if timed:
        bodies.sort(key=lambda body: body.at_s or 0.0)
        first = bodies[0].at_s or 0.0
        bodies = [ReplayedBody(b.json, b.output_tokens, (b.at_s or 0.0) - first) for b in bodies]
    return Bodies(tuple(bodies), kinds.pop())


def is_timed(traffic: Replayed) -> bool:
    """Whether the requests of the file have timestamps, as far as the first one shows."""
    first = next(_lines(traffic), None)
    return first is not None and "timestamp" in first[1]


def _lines(traffic: Replayed) -> Iterator[tuple[str, dict[str, Any]]]:
    """The request of each line, and where it stands."""
    path = Path(traffic.file)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the requests can't be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{path}: line {number}"
            yield where, _request(where, line)


def _request(where: str, line: str) -> dict[str, Any]:
    try:
        raw = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: not a JSON object")
    url = raw.get("url")
    if url is not None and url not in _URLS:
        raise ConfigError(f"{where}: url {url!r} can't be replayed; it can be {' or '.join(_URLS)}")
    body = raw.get("body", raw)
    if not isinstance(body, dict) or ("messages" in body) == ("prompt" in body):
        raise ConfigError(f"{where}: a request has either 'messages' or a 'prompt'")
    if "messages" in body:
        _check_messages(where, body["messages"])
    elif not isinstance(body["prompt"], str) or not body["prompt"]:
        raise ConfigError(f"{where}: 'prompt' is not a text")
    return body if "timestamp" not in raw else body | {"timestamp": raw["timestamp"]}


def _check_messages(where: str, messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise ConfigError(f"{where}: 'messages' is not a list of messages")
    for number, message in enumerate(messages, start=1):
        if not isinstance(message, dict) or "role" not in message:
            raise ConfigError(f"{where}: message {number} has no 'role'")


def _body(where: str, raw: dict[str, Any], traffic: Replayed) -> ReplayedBody:
    limit = next((raw[name] for name in _LIMITS if name in raw), traffic.output_tokens)
    if not isinstance(limit, int) or limit < 1:
        raise ConfigError(f"{where}: a limit of {limit!r} output tokens; the least is 1")
    at = raw.get("timestamp")
    if at is not None and not isinstance(at, int | float):
        raise ConfigError(f"{where}: timestamp {at!r} is not a number of seconds")
    sent = {name: value for name, value in raw.items() if name not in _OWN}
    if not any(name in sent for name in _LIMITS):
        sent["max_tokens"] = limit
    return ReplayedBody(
        json.dumps(sent, ensure_ascii=False).encode(),
        limit,
        None if at is None else at / traffic.speedup,
    )
