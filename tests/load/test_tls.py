"""TLS under the timed wire."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from llmbench.cells import Users
from llmbench.config import ConfigError
from tests.load.serving import (
    ANSWER,
    DONE,
    Load,
    Scripted,
    answering,
    endpoint,
    event,
    read_request,
)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, ssl.SSLContext, str]:
    """A CA, a server's context that it signed, and the CA's file."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return ca, context, str(path)


def test_tls_with_an_own_ca(authority: tuple[trustme.CA, ssl.SSLContext, str], load: Load) -> None:
    _, context, ca_file = authority
    with Scripted(answering(ANSWER), context) as server:
        records = load(endpoint(server.url, ca_file=ca_file), Users(2, 3))
    assert [(record.error, len(record.event_ns)) for record in records] == [(None, 2)] * 6
    assert server.connections == 2
    assert {record.clock for record in records} == {"kernel"}


def test_a_certificate_from_nobody_known_is_a_tls_failure(
    authority: tuple[trustme.CA, ssl.SSLContext, str], load: Load
) -> None:
    _, context, _ = authority
    with Scripted(answering(ANSWER), context) as server:
        (record,) = load(endpoint(server.url))
    assert record.error_kind == "tls"
    assert record.error is not None and "CERTIFICATE_VERIFY_FAILED" in record.error
    assert "--llm-ca-file" in record.error and "--llm-insecure" in record.error


def test_the_usual_variable_names_an_authority(
    authority: tuple[trustme.CA, ssl.SSLContext, str], load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, context, ca_file = authority
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    with Scripted(answering(ANSWER), context) as server:
        (record,) = load(endpoint(server.url))
    assert record.error is None
    monkeypatch.setenv("SSL_CERT_FILE", "no.pem")
    with pytest.raises(ConfigError, match=r"TLS files no\.pem: can't be loaded"):
        load(endpoint("https://127.0.0.1:1"))


def test_verification_can_be_switched_off(
    authority: tuple[trustme.CA, ssl.SSLContext, str], load: Load
) -> None:
    _, context, _ = authority
    with Scripted(answering(ANSWER), context) as server:
        (record,) = load(endpoint(server.url, verify_tls=False))
    assert record.error is None


def test_a_body_that_ends_with_the_connection_is_whole(
    authority: tuple[trustme.CA, ssl.SSLContext, str], load: Load
) -> None:
    """Data and close_notify come in one read: the last data is not data that nobody asked for."""
    _, context, ca_file = authority
    whole = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + event("a") + event("b") + DONE

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(whole)

    with Scripted(script, context) as server:
        records = load(endpoint(server.url, ca_file=ca_file), Users(1, 5))
    assert [(record.error, len(record.event_ns)) for record in records] == [(None, 2)] * 5


def test_a_client_certificate_is_shown(
    authority: tuple[trustme.CA, ssl.SSLContext, str], load: Load, tmp_path: Path
) -> None:
    ca, context, ca_file = authority
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    client, own = tmp_path / "client.pem", ca.issue_cert("client@example.org")
    own.private_key_and_cert_chain_pem.write_to_path(str(client))
    with Scripted(answering(ANSWER), context) as server:
        (with_it,) = load(endpoint(server.url, ca_file=ca_file, client_cert_file=str(client)))
        (without,) = load(endpoint(server.url, ca_file=ca_file))
    assert with_it.error is None
    assert without.error_kind in ("tls", "reset", "cut")


def test_a_ca_file_that_is_none_is_named(load: Load, tmp_path: Path) -> None:
    missing = str(tmp_path / "no.pem")
    with pytest.raises(ConfigError, match=r"no\.pem: can't be loaded"):
        load(endpoint("https://127.0.0.1:1", ca_file=missing))
