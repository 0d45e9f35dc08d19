"""Two questions to a server: are you up, and can you generate one token."""

from typing import Any

import httpx
import msgspec

from llmbench.apis import Ask, dialect
from llmbench.config import ModelConfig
from llmbench.simulator import HEADER

LOADING = frozenset({425, 429, 503})
"""Statuses of a server that is not ready yet."""

BODY_SHOWN = 300
"""Characters of an answer's body that an error shows."""


class NotYet(Exception):
    """The server isn't ready yet; the message says how that shows."""


class Refused(Exception):
    """The server answered, and waiting won't help; `hint` says what may."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def is_healthy(http: httpx.Client, path: str, patient: bool) -> bool:
    """True: it says so. False: it has no such endpoint. Else `NotYet`."""
    response = http.get(path)
    status = response.status_code
    if status in LOADING or (patient and status >= 500):
        raise NotYet(f"{path} answers {status}: {_shown(response)}")
    return response.is_success


def one_token(http: httpx.Client, config: ModelConfig) -> None:
    """Have one token generated; `NotYet` or `Refused` when none came."""
    path, body = _ask(config)
    response = http.post(path, content=body, headers=_headers(config))
    status = response.status_code
    if status in LOADING:
        raise NotYet(f"{path} answers {status}: {_shown(response)}")
    if not response.is_success:
        raise Refused(f"{path} answers {status}: {_shown(response)}", _hint(config, response))
    error = _error_in(response.text)
    if error is not None:
        raise Refused(f"{path} answers 200 with an error: {error}", "look at the server's log")


def _ask(config: ModelConfig) -> tuple[str, bytes]:
    """Path and body of a request for one token."""
    speaks = dialect(config.api)
    ask = Ask("Hello", 1, config.model, stream=False)
    return speaks.path(ask), msgspec.json.encode(speaks.body(ask))


def _headers(config: ModelConfig) -> dict[str, str]:
    """A simulator's fault is for the requests that are measured, not for this one."""
    return {"content-type": "application/json"} | ({HEADER: "none"} if config.simulated else {})


def _hint(config: ModelConfig, response: httpx.Response) -> str:
    """What to do about an answer that is no completion."""
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
    return f"the server refuses the request: check model ({config.model!r}) and api ({config.api})"


def _shown(response: httpx.Response) -> str:
    text = " ".join(response.text.split())
    return text[:BODY_SHOWN] or "(empty body)"


def _error_in(text: str) -> str | None:
    """The error that a 200 answer carries, in its JSON or in one of its events."""
    for line in text.splitlines():
        data = line.removeprefix("data:").strip()
        if not data.startswith("{"):
            continue
        try:
            page: Any = msgspec.json.decode(data)
        except msgspec.DecodeError:
            continue
        if isinstance(page, dict) and page.get("error"):
            return str(page["error"])[:BODY_SHOWN]
    return None
