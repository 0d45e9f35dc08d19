"""Collects what a server says about itself; it is kept so that two runs can be told apart."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import msgspec

from llmbench.servers.readiness.http import get

Scalar = str | int | float | bool | None

PATHS = ("/info", "/props", "/version", "/v1/models")
"""The pages of TGI and SGLang, of llama.cpp, of vLLM, and of all that speak OpenAI's dialect."""

LONGEST = 200
"""The greatest length of a value that is kept; chat templates are longer and of no use here."""

VOLATILE = frozenset({"created", "media_marker", "is_sleeping"})
"""The keys whose values differ between two starts of the same server."""


def server_info(http: httpx.Client) -> dict[str, Scalar]:
    """The scalars of every page that answers, as ``info.model_id``, ``models.id``, …, and the name
    of the HTTP server."""
    facts: dict[str, Scalar] = {}
    with suppress(httpx.HTTPError):
        name = get(http, PATHS[-1], timeout=5.0)[0].headers.get("server")
        facts |= {} if name is None else {"http.server": name[:LONGEST]}
    for path in PATHS:
        facts |= dict(_facts(path.rsplit("/", 1)[-1], _page(http, path)))
    return facts


def _page(http: httpx.Client, path: str) -> Any:
    try:
        response, body = get(http, path, timeout=5.0)
        return msgspec.json.decode(body) if response.status_code == 200 else None
    except (httpx.HTTPError, msgspec.DecodeError):
        return None


def _facts(name: str, page: Any) -> Iterator[tuple[str, Scalar]]:
    """The scalar members of a JSON object or, for a list of models, of its first model."""
    if isinstance(page, dict) and isinstance(page.get("data"), list):
        page = next(iter(page["data"]), None)
    if not isinstance(page, dict):
        return
    for key, value in page.items():
        if (
            key not in VOLATILE
            and isinstance(value, str | int | float | bool)
            and len(str(value)) <= LONGEST
        ):
            yield f"{name}.{key}", value
