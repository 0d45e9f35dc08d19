"""What a server says of itself, kept with the run so that two runs can be told apart."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec

from llmbench.servers.readiness.http import get

Scalar = str | int | float | bool | None

PATHS = ("/info", "/props", "/version", "/v1/models")
"""TGI and SGLang, llama.cpp, vLLM, and all that speak OpenAI's dialect."""

LONGEST = 200
"""Characters of a value that are kept: chat templates are long and of no use here."""

VOLATILE = frozenset({"created", "media_marker", "is_sleeping"})
"""Keys whose values differ from start to start of the same server."""


def server_info(http: httpx.Client) -> dict[str, Scalar]:
    """The scalars of every page that answers, as ``info.model_id``, ``models.id``, …"""
    facts: dict[str, Scalar] = {}
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
    """The scalar members of a JSON object; of a list of models, the first one's."""
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
