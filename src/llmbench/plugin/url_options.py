"""Reads ``--llm-url`` and the options beside it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from llmbench.access import check_url, tls_context
from llmbench.apis import Ask, dialect
from llmbench.bench import AUTO, Sought
from llmbench.config import ConfigError, ModelConfig
from llmbench.records import ClientSettings, Deal
from llmbench.value_types import RequestFields, nearest

SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def sought(
    url: str,
    *,
    model: str,
    api: str,
    tokenizer: str,
    add: str | None,
    omit: str | None,
    ca_file: Path | None,
    insecure: str | None,
) -> Sought:
    """What the options say; `ConfigError` names the one with a mistake."""
    first, *others = (part.strip() for part in url.split(","))
    for each in () if url == AUTO else (first, *others):
        check_url(each, "--llm-url")
    if api:
        dialect(api)
    client = ClientSettings(
        ca_file=None if ca_file is None else str(ca_file),
        verify_tls=not switch(insecure, "--llm-insecure"),
    )
    if ca_file is not None:
        _check_ca_file(client)
    names = tuple(name.strip() for name in (omit or "").split(",") if name.strip())
    fields = RequestFields(add=_object(add, "--llm-request-add"), omit=names)
    if api:
        check_omitted(api, fields)
    return Sought(first, model, api, tokenizer, client, fields, tuple(others))


def deal_of(text: str | None) -> Deal | None:
    """How requests are dealt to several servers; None where nothing is said."""
    match text:
        case None | "round robin" | "least busy" as deal:
            return deal
    raise ConfigError(f"--llm-deal: {text!r} is neither round robin nor least busy")


def check_omitted(api: str, fields: RequestFields) -> None:
    """Raise `ConfigError` for a field to leave out that requests of the dialect don't have."""
    body = dialect(api).body(Ask("", 1, "", unique="unique"))
    valid = [*_names(body), *_names(fields.add)]
    for name in fields.omit:
        if name not in valid:
            raise ConfigError(
                f"--llm-request-omit: requests of {api} have no field {name!r}"
                f"{nearest(name, valid)}"
            )


def check_remote(model: ModelConfig) -> None:
    """Check what could not be checked before the server's dialect was known."""
    check_omitted(model.api, model.request)


def _names(body: Mapping[str, Any], outer: str = "") -> Iterator[str]:
    """The names of all fields, those inside of others with a dot between."""
    for name, value in body.items():
        yield outer + name
        if isinstance(value, Mapping):
            yield from _names(value, f"{outer}{name}.")


def _object(text: str | None, where: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{where}: {text!r} is not a JSON object ({error}); write it like '{{\"top_k\": 1}}'"
        ) from None


def switch(text: str | None, where: str) -> bool:
    """Whether the option `where` without a value is on, as the ini file may also spell it out."""
    on = SWITCH.get((text or "false").lower())
    if on is None:
        raise ConfigError(f"{where}: {text!r} is neither true nor false")
    return on


def _check_ca_file(client: ClientSettings) -> None:
    try:
        tls_context(client)
    except ConfigError as error:
        raise ConfigError(f"--llm-ca-file: {error}") from None
