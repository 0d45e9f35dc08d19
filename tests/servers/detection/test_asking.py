"""What is said about the server at a URL, and about those of this host."""

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llmbench.config import ConfigError
from llmbench.records import ClientSettings
from llmbench.servers.detection import asking
from llmbench.servers.detection.asking import LOCAL_PORTS, detect, find_local
from tests.load.serving import Scripted, read_request, response
from tests.simulated_engines import simulated_engine


@contextmanager
def web_server(status: int = 200) -> Iterator[int]:
    """A web server that is no model server's; its port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def refusal(url: str) -> str:
    with pytest.raises(ConfigError) as caught:
        detect(url, ClientSettings(api_key_env="MY_KEY"))
    return str(caught.value)


def test_nothing_listens() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert refusal(url) == (
        f"--llm-url: {url}: can't connect: [Errno 111] Connection refused\n"
        "  hint: start the server, or correct the URL (--llm-url, server.url)"
    )


def test_something_else_answers() -> None:
    with web_server() as port:
        url = f"http://127.0.0.1:{port}"
        assert refusal(url) == (
            f"--llm-url: {url} answers, but not as a model server that is known; name its "
            "--llm-model, --llm-api and --llm-tokenizer"
        )


def test_a_key_is_wanted() -> None:
    with web_server(401) as port:
        url = f"http://127.0.0.1:{port}"
        assert refusal(url) == (
            f"--llm-url: {url} wants an API key: set it in the environment variable MY_KEY"
        )


def test_a_server_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAGE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert refusal(url).startswith(f"--llm-url: {url}: connected, but no answer in time")


def test_the_only_server_of_this_host_is_found() -> None:
    with simulated_engine("vllm") as url, web_server() as other:
        assert find_local((free_port(), other, port_of(url))) == url


def test_several_servers_are_listed() -> None:
    with (
        simulated_engine("vllm") as one,
        simulated_engine("tgi") as two,
        pytest.raises(ConfigError) as caught,
    ):
        find_local((port_of(one), port_of(two)))
    assert str(caught.value) == (
        f"--llm-url auto: several model servers answer: {one} (vLLM), {two} (TGI); name one"
    )


def test_no_server_is_told_with_what_was_tried() -> None:
    with web_server() as other:
        nobody = free_port()
        with pytest.raises(ConfigError) as caught:
            find_local((nobody, other))
    assert str(caught.value) == (
        f"--llm-url auto: no model server answers on 127.0.0.1 at {nobody}, {other} (what answers "
        f"at {other} is none, or wants an API key); start one, or name its URL"
    )


def test_the_ports_are_those_that_engines_use_by_default() -> None:
    assert LOCAL_PORTS == (8000, 8080, 30000, 11434, 1234, 23333, 3000)


def test_no_key_is_sent_to_who_happens_to_listen_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMBENCH_API_KEY", "sesame-open")
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            for _ in range(2):  # the look whether anything listens, and the first question
                connection, _ = listener.accept()
                with connection:
                    heads.append(connection.recv(65536))
            listener.close()

        thread = threading.Thread(target=listen)
        thread.start()
        with pytest.raises(ConfigError):
            find_local((listener.getsockname()[1],))
        thread.join()
    assert heads[1].startswith(b"GET /")
    assert b"sesame" not in b"".join(heads)


def test_a_server_that_closes_after_its_own_error_is_asked_again() -> None:
    """As ``transformers serve`` does whose list of models fails."""
    refused = response(b"Internal Server Error", status=b"500 Internal Server Error")
    paths = b'{"paths": {"/load_model": {}, "/v1/responses": {}}}'
    pinned = b"{\"detail\": \"Server is pinned to 'smol'; requested '?'.\"}"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = await read_request(reader)
            if asked.startswith(b"GET /v1/models"):
                writer.write(refused)
                return  # without a word in the head that the connection ends
            found = asked.startswith(b"GET /openapi.json")
            writer.write(response(paths if found else pinned, status=b"200 OK"))

    with Scripted(script) as server:
        assert detect(server.url, ClientSettings()).models == ("smol",)
