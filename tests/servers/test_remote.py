import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmbench.apis import NAMES
from llmbench.cells import Limits
from llmbench.config import ConfigError, ModelConfig, RemoteServer, SimulatedServer
from llmbench.records import ClientSettings, LeftOut
from llmbench.servers.launching import launch, unavailable
from llmbench.servers.placement.placing import Placement
from llmbench.servers.running import LaunchError, RunningServer
from llmbench.value_types import RequestFields

NO_CORES = Placement((), ())


def remote(url: str, *, api: str = "openai-completions", timeout_s: float = 30) -> ModelConfig:
    server = RemoteServer(url, start_timeout_s=timeout_s)
    return ModelConfig("far", "Far", "m", api, "none", server)


@contextmanager
def launched(config: ModelConfig, folder: Path) -> Iterator[RunningServer]:
    with launch(config, Limits(), log_dir=folder, cores=NO_CORES, session="s") as server:
        yield server


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Callable[[str | None], str]]:
    """Starts a simulator with a fault; its URL."""
    with contextlib.ExitStack() as stack:

        def start(fault: str | None) -> str:
            server = SimulatedServer(ttft_ms=1, ms_per_token=1, fault=fault)
            config = ModelConfig("sim", "Sim", "m", "openai-completions", "none", server)
            return stack.enter_context(launched(config, tmp_path)).endpoint.base_url

        yield start


def refusal(config: ModelConfig, folder: Path) -> LaunchError:
    with pytest.raises(LaunchError) as caught, launched(config, folder):
        pass
    return caught.value


@pytest.mark.parametrize("api", NAMES)
def test_a_server_that_runs_is_taken_in_every_dialect(
    api: str, simulator: Callable[[str | None], str], tmp_path: Path
) -> None:
    url = simulator(None)
    with launched(remote(url + "/", api=api), tmp_path) as server:
        endpoint = server.endpoint
        assert (server.died(), server.sample(), server.cpu_ns()) == (None, None, None)
    assert (endpoint.base_url, endpoint.api, endpoint.simulated) == (url, api, True)
    assert (endpoint.launch.kind, endpoint.launch.pid) == ("remote", None)
    assert endpoint.launch.first_token_s is not None
    assert endpoint.launch.server_info["models.id"] == "m"
    assert endpoint.launch.server_info["version.version"] == "0.0.0-simulated"


def test_what_the_server_refuses_is_left_out_and_said(
    simulator: Callable[[str | None], str], tmp_path: Path
) -> None:
    url = simulator("refuses-ignore_eos+refuses-max_tokens")
    with launched(remote(url), tmp_path) as server:
        endpoint = server.endpoint
    assert endpoint.left_out == (LeftOut("ignore_eos", "outputs may end early"),)
    assert endpoint.request == RequestFields(
        omit=("ignore_eos",), rename={"max_tokens": "max_completion_tokens"}
    )


@pytest.mark.parametrize(("fault", "closes"), [(None, False), ("idle-close", True)])
def test_a_server_that_closes_connections_is_known_before_the_load(
    fault: str | None, closes: bool, simulator: Callable[[str | None], str], tmp_path: Path
) -> None:
    """As llama.cpp's server does after each stream, although it announces to keep them."""
    with launched(remote(simulator(fault)), tmp_path) as server:
        assert server.endpoint.closes_connections is closes


def test_nothing_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = refusal(remote(f"http://127.0.0.1:{port}"), tmp_path)
    assert str(error) == (
        f"far: http://127.0.0.1:{port}: can't connect: [Errno 111] Connection refused\n"
        "  hint: start the server, or correct the URL (--llm-url, server.url)"
    )


def test_no_answer_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        error = refusal(remote(url, timeout_s=1), tmp_path)
    assert error.state == f"{url}: connected, but no answer in time (start_timeout_s)"
    assert error.hint == ("is the model still loading? raise server.start_timeout_s, or look there")


@pytest.mark.parametrize(
    ("fault", "answer", "hint"),
    [
        (
            "http-401",
            'answers 401: {"error":{"message":"simulated failure","type":"simulated","code":401}}',
            "set the API key in the environment variable MY_KEY, or check that it is valid",
        ),
        (
            "http-404",
            'answers 404: {"error":{"message":"simulated failure","type":"simulated","code":404}}',
            "the server has no such path: check the URL (without the API's own path) and the api "
            "(openai-completions), and that it serves the model 'm'",
        ),
        (
            "http-422",
            'answers 422: {"error":{"message":"simulated failure","type":"simulated","code":422}}',
            "the server refuses the request: check model ('m') and api (openai-completions); a "
            "field that it doesn't know can be left out with omit under [request] in the TOML, or "
            "--llm-request-omit",
        ),
        (
            "http-500-empty",
            "answers 500: (empty body)",
            "the server fails by itself: look at its log",
        ),
        (
            "redirect",
            "answers 307: (empty body)",
            "redirects are not followed; use the URL behind it: /moved/v1/completions",
        ),
        (
            "error-event",
            "answers 200 with an error: simulated failure",
            "look at the server's log",
        ),
    ],
)
def test_a_server_that_refuses(
    fault: str, answer: str, hint: str, simulator: Callable[[str | None], str], tmp_path: Path
) -> None:
    config = remote(simulator(fault))
    config = ModelConfig(
        config.name,
        config.title,
        config.model,
        config.api,
        config.tokenizer,
        config.server,
        client=ClientSettings(api_key_env="MY_KEY"),
    )
    error = refusal(config, tmp_path)
    assert isinstance(config.server, RemoteServer)
    assert error.state == f"{config.server.url}/v1/completions {answer}"
    assert error.hint == hint


def test_a_server_that_is_busy_until_the_deadline(
    simulator: Callable[[str | None], str], tmp_path: Path
) -> None:
    error = refusal(remote(simulator("http-503"), timeout_s=0.3), tmp_path)
    assert "not ready in time (start_timeout_s): /v1/completions answers 503: " in error.state


def test_a_connection_that_breaks(simulator: Callable[[str | None], str], tmp_path: Path) -> None:
    error = refusal(remote(simulator("reset-first")), tmp_path)
    assert error.state.endswith(": the connection broke: [Errno 104] Connection reset by peer")
    assert error.hint == "it crashed, or it doesn't speak HTTP here: look at its log"


@pytest.fixture
def tls_url(tmp_path: Path) -> Iterator[str]:
    """A server that does nothing but the TLS handshake, with a certificate nobody trusts."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands() -> None:
            with contextlib.suppress(OSError):
                context.wrap_socket(listener.accept()[0], server_side=True).close()

        thread = threading.Thread(target=shake_hands, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_a_certificate_that_nobody_trusts(tls_url: str, tmp_path: Path) -> None:
    error = refusal(remote(tls_url), tmp_path)
    assert error.state.startswith(f"{tls_url}: its TLS certificate isn't trusted: [SSL: ")
    assert error.hint == (
        "name its authority's file with --llm-ca-file (client.ca_file, SSL_CERT_FILE), or skip the "
        "check with --llm-insecure (client.verify_tls = false)"
    )


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host/x", "http://"])
def test_no_url_at_all(url: str, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"is not a URL; write it like http://127\.0\.0\.1:8000"),
        launched(remote(url), tmp_path),
    ):
        pass


def test_a_key_does_not_belong_into_a_url(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught, launched(remote("http://h:1/?key=secret"), tmp_path):
        pass
    assert "secret" not in str(caught.value)
    assert "put an API key into the environment variable" in str(caught.value)


def test_limits_need_docker() -> None:
    assert unavailable(remote("http://x"), Limits(cores=1)) == (
        "a remote server can't be limited in cores or memory; use a docker configuration"
    )
    assert unavailable(remote("http://x"), Limits(instances=2)) == (
        "a server at a URL can't be started several times; name its replicas instead"
    )
    assert unavailable(remote("http://x"), Limits()) is None
