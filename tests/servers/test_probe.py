from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from llmbench.config import ModelConfig, RemoteServer, SimulatedServer
from llmbench.records import ClientSettings
from llmbench.servers.readiness.accepted_fields import Taken, try_request
from llmbench.servers.readiness.probe import NotYet, Refused, is_healthy
from llmbench.servers.readiness.self_description import server_info
from llmbench.value_types import RequestFields

Answer = Callable[[httpx.Request], httpx.Response]

GOOD = (
    'data: {"choices": [{"text": "x"}]}\n\n'
    'data: {"choices": [{"text": "", "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'
)


def reply(status: int, text: str = "") -> httpx.Response:
    """A response whose body comes as from a socket."""
    return httpx.Response(status, content=iter([text.encode()]))


def client(answer: Answer) -> httpx.Client:
    return httpx.Client(base_url="http://x", transport=httpx.MockTransport(answer))


def always(status: int, body: str = "") -> httpx.Client:
    return client(lambda request: reply(status, body))


def model(
    *,
    simulated: bool = False,
    api: str = "openai-completions",
    request: RequestFields = RequestFields(),  # noqa: B008 (frozen)
    stream: bool = True,
) -> ModelConfig:
    server = SimulatedServer() if simulated else RemoteServer("http://x")
    settings = ClientSettings(stream=stream)
    return ModelConfig("far", "Far", "m", api, "none", server, client=settings, request=request)


def refusing(*fields: str, named: bool = True) -> tuple[httpx.Client, list[dict[str, Any]]]:
    """A server that answers 400 to requests with any of `fields`, and the bodies that it saw."""
    seen: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        seen.append(body)
        bad = [name for name in fields if name in body]
        words = f"unexpected {bad}" if named else "bad request"
        return reply(400, words) if bad else reply(200, GOOD)

    return client(answer), seen


def names(taken: Taken) -> list[str]:
    return [field.name for field in taken.left_out]


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


def test_the_request_is_the_one_that_will_be_measured() -> None:
    http, seen = refusing()
    taken = try_request(http, model())
    assert seen == [
        {
            "model": "m",
            "prompt": "Hello",
            "max_tokens": 16,
            "temperature": 0.0,
            "seed": 0,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "ignore_eos": True,
            "min_tokens": 16,
            "cache_prompt": False,
            "cache_salt": "ready",
        }
    ]
    assert (taken.fields, taken.left_out) == (RequestFields(), ())


def test_without_streaming_the_request_is_not_streamed() -> None:
    seen: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(msgspec.json.decode(request.content))
        return reply(200, '{"choices": [{"text": "x", "finish_reason": "stop"}]}')

    try_request(client(answer), model(stream=False))
    assert seen[0]["stream"] is False


def test_a_refused_field_that_is_named_is_left_out_at_once() -> None:
    http, seen = refusing("ignore_eos")
    taken = try_request(http, model())
    assert names(taken) == ["ignore_eos"]
    assert taken.left_out[0].consequence == "outputs may end early"
    assert taken.fields.omit == ("ignore_eos",)
    assert len(seen) == 2


def test_several_refused_fields_are_left_out_and_no_other() -> None:
    http, _ = refusing("cache_salt", "temperature", "seed")
    assert sorted(names(try_request(http, model()))) == ["cache_salt", "seed", "temperature"]


def test_a_field_that_is_refused_without_a_name_is_found() -> None:
    http, _ = refusing("temperature", named=False)
    taken = try_request(http, model())
    assert names(taken) == ["temperature"]
    assert taken.fields.omit == ("temperature",)


def test_two_fields_that_are_refused_without_a_name_are_found() -> None:
    http, _ = refusing("cache_salt", "seed", named=False)
    assert names(try_request(http, model())) == ["cache_salt", "seed"]


def test_an_inner_field_is_left_out_before_the_whole_object() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        options = msgspec.json.decode(request.content)["stream_options"]
        bad = "continuous_usage_stats" in options
        return reply(422, "no such option") if bad else reply(200, GOOD)

    assert names(try_request(client(answer), model())) == ["stream_options.continuous_usage_stats"]


def test_the_newer_name_of_the_limit_is_taken_where_the_server_asks_for_it() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "max_tokens" in msgspec.json.decode(request.content):
            return reply(400, "use 'max_completion_tokens' instead of max_tokens")
        return reply(200, GOOD)

    taken = try_request(client(answer), model())
    assert taken.fields.rename == {"max_tokens": "max_completion_tokens"}
    assert taken.left_out == ()


def test_what_the_configuration_adds_and_omits_is_in_the_request() -> None:
    http, seen = refusing()
    fields = RequestFields(
        add={"stream_options": {"extra": 1}, "chat_template_kwargs": {"thinking": False}},
        omit=("cache_salt", "stream_options.include_usage"),
    )
    assert try_request(http, model(request=fields)).fields == fields
    assert "cache_salt" not in seen[0]
    assert seen[0]["stream_options"] == {"continuous_usage_stats": True, "extra": 1}
    assert seen[0]["chat_template_kwargs"] == {"thinking": False}


def test_a_refusal_whatever_is_left_out_is_the_first_one_told() -> None:
    with pytest.raises(Refused, match="/v1/completions answers 400: no such model") as caught:
        try_request(always(400, "no such model"), model())
    assert caught.value.hint == (
        "the server refuses the request: check model ('m') and api (openai-completions); a field "
        "that it doesn't know can be left out with omit under [request] in the TOML, or "
        "--llm-request-omit"
    )


def test_a_simulators_fault_is_not_for_this_request() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-llmbench-fault"])
        return reply(200, GOOD)

    try_request(client(answer), model(simulated=True))
    assert seen == ["none"]


@pytest.mark.parametrize(
    "body",
    [
        'data: {"error": {"message": "no"}}\n\n',
        'data: {"error": "no"}\n\ndata: [DONE]\n\n',
        'data: {"choices": [{"text": "x"}]}\n\ndata: {"error": "no"}\n\n',
    ],
)
def test_an_error_inside_a_200_is_one(body: str) -> None:
    with pytest.raises(Refused, match=r"answers 200 with an error: no") as caught:
        try_request(always(200, body), model())
    assert caught.value.hint == "look at the server's log"


@pytest.mark.parametrize("api", ["openai-completions", "openai-chat", "llama.cpp", "ollama", "tgi"])
def test_a_login_page_is_no_token(api: str) -> None:
    page = "<!doctype html><html><body>Please log in</body></html>"
    with pytest.raises(Refused, match=f"answers 200 with what is not {api}: <!doctype") as caught:
        try_request(always(200, page), model(api=api))
    assert caught.value.hint.startswith("is it an inference server's URL, and its API?")


def test_an_answer_without_a_token_is_none() -> None:
    with pytest.raises(Refused, match="answers 200 with no token of openai-completions: data: "):
        try_request(always(200, "data: [DONE]\n\n"), model())


def test_an_error_shows_no_more_than_the_start_of_a_body() -> None:
    with pytest.raises(Refused) as caught:
        try_request(always(400, "x" * 10_000), model())
    assert str(caught.value) == "/v1/completions answers 400: " + "x" * 300


PAGES = {
    "/info": {"model_id": "tiny", "max_total_tokens": 2048, "nested": {"a": 1}},
    "/props": {"total_slots": 4, "chat_template": "x" * 201, "media_marker": "random"},
    "/v1/models": {"data": [{"id": "tiny", "created": 1}, {"id": "other"}]},
}


def pages(request: httpx.Request) -> httpx.Response:
    page = PAGES.get(request.url.path)
    return reply(404) if page is None else reply(200, msgspec.json.encode(page).decode())


def test_server_info_is_every_scalar_that_stays() -> None:
    assert server_info(client(pages)) == {
        "info.model_id": "tiny",
        "info.max_total_tokens": 2048,
        "props.total_slots": 4,
        "models.id": "tiny",
    }


def test_pages_that_are_no_json_are_left_out() -> None:
    assert server_info(always(200, "<html>")) == {}
