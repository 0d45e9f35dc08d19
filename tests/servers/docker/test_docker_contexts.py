"""Which engine is reached: by contexts, with their TLS; and the proxies of its configuration."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from docker.context import ContextAPI
from docker.tls import TLSConfig

from llmbench.config import ModelConfig
from llmbench.servers.docker.engine import NoEngine, connect, engine_address

if TYPE_CHECKING:
    from docker import DockerClient

    from tests.servers.docker.conftest import Launch


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the docker command's configuration, which is all that tells of an engine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("docker_config")
def test_without_any_context_it_is_the_usual_socket() -> None:
    assert engine_address() == "unix:///var/run/docker.sock"


@pytest.mark.usefixtures("docker_config")
def test_the_context_in_use_is_beaten_by_docker_context_and_that_by_docker_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("lab", "cloud"):
        ContextAPI.create_context(name, host=f"tcp://{name}:2375", skip_tls_verify=True)
    ContextAPI.set_current_context("lab")
    assert engine_address() == "http://lab:2375"
    monkeypatch.setenv("DOCKER_CONTEXT", "cloud")
    assert engine_address() == "http://cloud:2375"
    monkeypatch.setenv("DOCKER_HOST", "tcp://other:2375")
    assert engine_address() == "tcp://other:2375"


@pytest.mark.usefixtures("docker_config")
def test_a_context_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "labb")
    with pytest.raises(NoEngine) as error:
        connect()
    assert str(error.value) == (
        "needs Docker, and there is no context labb; docker context ls shows those that there are"
    )


@pytest.fixture
def tls_context(docker_config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A context of an engine that demands a client's certificate; the list gets its subjects."""
    authority = trustme.CA()
    ours = authority.issue_cert("client@example.org")
    files = {"ca": authority.cert_pem, "key": ours.private_key_pem, "cert": ours.cert_chain_pems[0]}
    for name, blob in files.items():
        blob.write_to_path(docker_config / f"{name}.pem")
    ca, key, cert = (str(docker_config / f"{name}.pem") for name in files)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        subjects: list[str] = []
        engine = threading.Thread(target=_answer, args=(listening, authority, subjects))
        engine.start()
        tls = TLSConfig(client_cert=(cert, key), ca_cert=ca, verify=True)
        host = f"tcp://localhost:{listening.getsockname()[1]}"
        ContextAPI.create_context("lab", host=host, tls_cfg=tls)
        monkeypatch.setenv("DOCKER_CONTEXT", "lab")
        yield subjects
        engine.join(10)


def test_a_context_s_tls_is_used(tls_context: list[str]) -> None:
    connect().close()
    assert tls_context == ["client@example.org"]


def test_a_certificate_that_is_not_trusted_is_told(
    tls_context: list[str], docker_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = docker_config / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with pytest.raises(NoEngine, match=r"https://localhost:\d+ is not trusted; check the"):
        connect()
    assert tls_context == []


def _answer(listening: socket.socket, authority: trustme.CA, subjects: list[str]) -> None:
    """Be an engine for the requests of one connection."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("localhost").configure_cert(context)
    accepted, _address = listening.accept()
    with accepted, suppress(ssl.SSLError), context.wrap_socket(accepted, True) as connection:
        told: Any = connection.getpeercert()
        subjects.append(told["subjectAltName"][0][1])
        while request := connection.recv(65536):
            body = b'{"ApiVersion": "1.41"}' if b"/version" in request else b"OK"
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def test_a_container_has_the_proxies_of_the_configuration(
    docker_engine: "DockerClient",
    launch: "Launch",
    python_server: Callable[..., ModelConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxies = {"default": {"httpProxy": "http://proxy.example:3128", "noProxy": "localhost"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", engine_address())
    config = python_server("import os; print(os.environ['HTTP_PROXY'], os.environ['no_proxy'])")
    with pytest.raises(Exception, match=r"http://proxy\.example:3128 localhost"), launch(config):
        pass
