"""Prepares the access to a server: TLS, and the headers that carry secrets.

Secrets live in environment variables and are read when a connection is made; they stand in no
record, file, log or page.
"""

import os
import re
import ssl
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import msgspec

from llmbench.config import ConfigError, ModelConfig
from llmbench.records import ClientSettings

SHORTEST_SECRET = 4  # what is shorter stands in many words by chance
USER_AGENT = "pytest-llmbench"
_UNSENDABLE = dict.fromkeys("\r\n", "a line break") | dict.fromkeys(
    "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb", "a typographic quotation mark"
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
SECRET = re.compile(r"auth|key|token|cookie|secret|password", re.IGNORECASE)
SECRET_VALUE = re.compile(r"\b(hf_\w{16,}|gh[pousr]_\w{16,}|(sk|nvapi)-[\w-]{16,})")
SECRET_OPTION = re.compile(
    r"--?([\w-]*[-_])?((api|auth|access|admin|bearer|hf)[-_]?(key|token)|secret|password)|--?token",
    re.IGNORECASE,
)
SECRET_NAME = re.compile(r"(.*_)?(TOKEN|KEY|SECRET|PASSWORD)", re.IGNORECASE)
SECRET_TABLES = (("server", "settings"), ("server", "build_args"))
UNTRUSTED_HINT = (
    "name its authority's file with --llm-ca-file (client.ca_file, SSL_CERT_FILE), or skip the "
    "check with --llm-insecure (client.verify_tls = false)"
)
"""What to do about a certificate that is refused."""


def request_headers(client: ClientSettings) -> dict[str, str]:
    """The user agent, the API key as a bearer token if one is set, and the configured headers.

    A header's value ``$NAME`` is taken from that environment variable; `ConfigError` where it
    isn't set, and for a value that can't be sent, which no message shows.
    """
    check_sendable(client)
    key = os.environ.get(client.api_key_env)
    bearer = {"authorization": f"Bearer {key}"} if key else {}
    configured = {name.lower(): _value(name, text) for name, text in client.headers.items()}
    return {"user-agent": USER_AGENT} | bearer | configured


def check_secrets(client: ClientSettings, where: str) -> None:
    """Raise `ConfigError` where the value of a header that looks secret is in the file `where`."""
    for name, text in client.headers.items():
        if SECRET.search(name) and not text.startswith("$"):
            raise ConfigError(
                f"{where}: client.headers.{name}: a secret doesn't belong in a file; put it into "
                f'an environment variable and write {name} = "$ITS_NAME"'
            )


def check_written(model: ModelConfig) -> None:
    """Raise `ConfigError` where `model` has a secret written out: files and pages would show it.

    A secret shows by its form (``hf_…``, ``sk-…``) in any value, by the option before it in
    `server.command`, or by its name in a table of the server. The message doesn't repeat it.
    """
    command: Sequence[str] = getattr(model.server, "command", ())
    words = [part for word in command for part in word.split()]
    for word, following in pairwise([*words, "--"]):
        option, _, value = word.partition("=")
        if SECRET_OPTION.fullmatch(option) and (value or not following.startswith("-")):
            raise ConfigError(_written(model.name, f"server.command: {option}"))
    for key, text in _texts(msgspec.to_builtins(model), ()):
        named = key[:2] in SECRET_TABLES and SECRET_NAME.fullmatch(key[-1]) and text
        if named or SECRET_VALUE.search(text):
            raise ConfigError(_written(model.name, ".".join(key)))


def _texts(value: Any, key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in `value` with the keys that lead to it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, (*key, str(name)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, key)


def _written(model: str, place: str) -> str:
    return (
        f"{model}: {place}: a secret doesn't belong in a file; put it into an environment variable "
        "that the engine reads (HF_TOKEN, VLLM_API_KEY, …) and name that in server.environment"
    )


def check_sendable(client: ClientSettings) -> None:
    """Raise `ConfigError` for a key or a header that can't stand in an HTTP request.

    The message names the variable and what is wrong, and not the value: it may be a secret.
    """
    values = {client.api_key_env: os.environ.get(client.api_key_env, "")}
    for name, text in client.headers.items():
        if not _TOKEN.fullmatch(name):
            raise ConfigError(f"client.headers: {name!r} can't be the name of a header")
        variable = text.removeprefix("$")
        is_told = text.startswith("$")
        values[variable if is_told else f"client.headers.{name}"] = (
            os.environ.get(variable, "") if is_told else text
        )
    for where, value in values.items():
        if found := _obstacle(value):
            raise ConfigError(
                f"{where}: its value has {found}, which can't be sent in a header: set it again "
                "without that"
            )


def masked(text: str, client: ClientSettings) -> str:
    """`text`, which may be a server's, with stars for the secrets that it was sent."""
    told = [value[1:] for value in client.headers.values() if value.startswith("$")]
    for variable in (client.api_key_env, *told):
        secret = os.environ.get(variable, "")
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def check_url(url: str, where: str) -> None:
    """Raise `ConfigError` where `url` is not an http(s) URL, or has a password or a query."""
    parsed = urlsplit(url)
    if parsed.scheme not in {"http", "https"} or not parsed.hostname:
        raise ConfigError(f"{where}: {url!r} is not a URL; write it like http://127.0.0.1:8000")
    if "@" in parsed.netloc:
        raise ConfigError(
            f"{where}: a password doesn't belong in a URL, which is recorded; put the key into "
            "LLMBENCH_API_KEY"
        )
    if parsed.query:
        raise ConfigError(
            f"{where}: {parsed.hostname}: no password or query in a URL; put an API key into "
            "the environment variable that client.api_key_env names"
        )


def tls_context(client: ClientSettings) -> ssl.SSLContext:
    """TLS as `client` says: verification, a CA of its own, a client certificate; only HTTP/1.1.

    Without a `ca_file` the environment variable SSL_CERT_FILE may name one. `ConfigError` names a
    file that can't be loaded.
    """
    import httpx

    try:
        if client.ca_file is None:
            context = httpx.create_ssl_context(verify=client.verify_tls)
        else:
            context = ssl.create_default_context(cafile=client.ca_file)
            if not client.verify_tls:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
        if client.client_cert_file is not None:
            context.load_cert_chain(client.client_cert_file, client.client_key_file)
    except (OSError, ssl.SSLError) as error:
        own_ca = client.ca_file or os.environ.get("SSL_CERT_FILE")
        files = [own_ca, client.client_cert_file, client.client_key_file]
        names = ", ".join(name for name in files if name)
        raise ConfigError(f"TLS files {names}: can't be loaded: {error}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def unverified(model: ModelConfig) -> str | None:
    """A note that nobody checks who answers for `model` over TLS; None where that is checked."""
    url = getattr(model.server, "url", "")
    if model.client.verify_tls or not url.startswith("https:"):
        return None
    return (
        f"{model.name}: the certificate of {url} is not verified (--llm-insecure, "
        "client.verify_tls = false): whoever is on the way can answer in its place"
    )


def _value(name: str, text: str) -> str:
    if not text.startswith("$"):
        return text
    value = os.environ.get(text[1:])
    if value is None:
        raise ConfigError(f"client.headers.{name}: the environment variable {text[1:]} is not set")
    return value


def _obstacle(value: str) -> str | None:
    """What keeps a value from being sent, and where it stands, without the value itself."""
    for number, character in enumerate(value):
        what = _UNSENDABLE.get(character) or (
            None
            if character.isascii() and character.isprintable()
            else "a character outside ASCII"
            if character.isprintable()
            else "an invisible character"
        )
        if what is not None:
            place = "at its start" if number == 0 else "at its end"
            return f"{what} {place if number in (0, len(value) - 1) else 'in its middle'}"
    return "a space around it" if value != value.strip() else None
