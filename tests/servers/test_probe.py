from collections.abc import Callable

import httpx
import msgspec
import pytest

from llmbench.config import ModelConfig, RemoteServer, SimulatedServer
from llmbench.servers.readiness.probe import NotYet, Refused, is_healthy, one_token
from llmbench.servers.readiness.self_description import server_info

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer) -> httpx.Client:
    return httpx.Client(base_url="http://x", transport=httpx.MockTransport(answer))


def always(status: int, body: str = "") -> httpx.Client:
    return client(lambda request: httpx.Response(status, text=body))


def model(*, simulated: bool = False) -> ModelConfig:
    server = SimulatedServer() if simulated else RemoteServer("http://x")
    return ModelConfig("far", "Far", "m", "openai-completions", "none", server)


def test_health() -> None:
    assert is_healthy(always(200), "/health", patient=True) is True


def test_no_health_endpoint_is_no_reason_to_wait() -> None:
    assert is_healthy(always(404), "/health", patient=True) is False
    assert is_healthy(always(500), "/health", patient=False) is False


def test_a_server_that_loads_is_not_healthy_yet() -> None:
    with pytest.raises(NotYet, match="/health answers 503: Loading model"):
        is_healthy(always(503, "Loading\n model"), "/health", patient=False)
    with pytest.raises(NotYet, match=r"/health answers 500: \(empty body\)"):
        is_healthy(always(500), "/health", patient=True)


def test_one_token_is_asked_for_in_the_dialect() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"choices": [{"text": "x"}]})

    one_token(client(answer), model())
    assert seen[0].url.path == "/v1/completions"
    assert msgspec.json.decode(seen[0].content)["max_tokens"] == 1
    assert "x-llmbench-fault" not in seen[0].headers


def test_a_simulators_fault_is_not_for_this_request() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-llmbench-fault"])
        return httpx.Response(200, json={"choices": [{"text": "x"}]})

    one_token(client(answer), model(simulated=True))
    assert seen == ["none"]


@pytest.mark.parametrize(
    "body", ['{"error": {"message": "no"}}', 'data: {"error": "no"}\n\ndata: [DONE]\n\n']
)
def test_an_error_inside_a_200_is_one(body: str) -> None:
    with pytest.raises(Refused, match=r"answers 200 with an error: .*no") as caught:
        one_token(always(200, body), model())
    assert caught.value.hint == "look at the server's log"


def test_an_error_shows_no_more_than_the_start_of_a_body() -> None:
    with pytest.raises(Refused) as caught:
        one_token(always(400, "x" * 10_000), model())
    assert str(caught.value) == "/v1/completions answers 400: " + "x" * 300


PAGES = {
    "/info": {"model_id": "tiny", "max_total_tokens": 2048, "nested": {"a": 1}},
    "/props": {"total_slots": 4, "chat_template": "x" * 201, "media_marker": "random"},
    "/v1/models": {"data": [{"id": "tiny", "created": 1}, {"id": "other"}]},
}


def pages(request: httpx.Request) -> httpx.Response:
    page = PAGES.get(request.url.path)
    return httpx.Response(404) if page is None else httpx.Response(200, json=page)


def test_server_info_is_every_scalar_that_stays() -> None:
    assert server_info(client(pages)) == {
        "info.model_id": "tiny",
        "info.max_total_tokens": 2048,
        "props.total_slots": 4,
        "models.id": "tiny",
    }


def test_pages_that_are_no_json_are_left_out() -> None:
    assert server_info(always(200, "<html>")) == {}
