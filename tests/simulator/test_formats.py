"""What the simulator writes is what the dialects read."""

import msgspec
import pytest

from llmbench.apis import GENERATING, PoolingDialect, dialect
from llmbench.apis.protocol import Ask
from llmbench.simulator.asked import NotAsked, is_completion, read_ask
from llmbench.simulator.dialects.formats import FORMATS
from llmbench.simulator.faults import manner_of
from llmbench.simulator.manner import Manner
from llmbench.simulator.texts.rendered import count_tokens
from llmbench.simulator.texts.vocabulary import text_of

PROMPT = "x" * 41  # 11 tokens
COUNTS = [name for name in GENERATING if name != "triton"]


def asked(api: str, *, stream: bool = True, tokens: int = 6) -> tuple[str, bytes]:
    ask = Ask(PROMPT, tokens, "tiny", stream=stream)
    speaks = dialect(api)
    return speaks.path(ask), msgspec.json.encode(speaks.body(ask))


@pytest.mark.parametrize("api", GENERATING)
@pytest.mark.parametrize("stream", [True, False])
def test_every_dialects_request_is_understood(api: str, stream: bool) -> None:
    path, body = asked(api, stream=stream)
    assert is_completion(path)
    ask = read_ask(path, body, "tiny")
    assert (ask.prompt_tokens, ask.tokens, ask.stream, ask.model) == (11, 6, stream, "tiny")


@pytest.mark.parametrize("api", GENERATING)
def test_a_whole_body_is_read_back(api: str) -> None:
    ask = read_ask(*asked(api, stream=False), "tiny")
    said = dialect(api).whole(FORMATS[ask.dialect].whole(ask, Manner(), 6))
    assert said.text
    expected = (6, 11, "length") if api in COUNTS else (None, None, None)
    assert (said.output_tokens, said.input_tokens, said.finish_reason) == expected


@pytest.mark.parametrize("api", COUNTS)
def test_a_streams_last_events_bring_counts_and_reason(api: str) -> None:
    ask = read_ask(*asked(api), "tiny")
    style, speaks = FORMATS[ask.dialect], dialect(api)
    last = [style.event(ask, Manner(), 6, 6, 6), *style.ending(ask, Manner(), 6)]
    last = [*style.opening(ask, Manner()), *last]
    said = [speaks.event(event) for event in last]
    assert {it.output_tokens for it in said} - {None} == {6}
    assert {it.input_tokens for it in said} - {None} == {11}
    assert {it.finish_reason for it in said} - {None} == {"length"}


@pytest.mark.parametrize("api", GENERATING)
def test_an_early_event_holds_no_token(api: str) -> None:
    ask = read_ask(*asked(api), "tiny")
    said = dialect(api).event(FORMATS[ask.dialect].early(ask))
    assert not said.text
    assert not said.reasoning


@pytest.mark.parametrize("api", GENERATING)
def test_an_error_is_read_in_a_stream_and_in_a_body(api: str) -> None:
    style = FORMATS[read_ask(*asked(api), "tiny").dialect]
    assert dialect(api).event(style.error("too hot")).error == "too hot"
    assert dialect(api).error(style.error_body(500, "too hot")) == "too hot"


def test_a_short_answer_stopped_by_itself() -> None:
    ask = read_ask(*asked("openai-completions"), "tiny")
    event = FORMATS[ask.dialect].event(ask, manner_of("short"), 3, 3, 3)
    assert dialect("openai-completions").event(event).finish_reason == "stop"


def test_tgi_of_old_counts_no_input() -> None:
    ask = read_ask(*asked("tgi"), "tiny")
    event = FORMATS["tgi"].event(ask, manner_of("tgi-0.9.4"), 6, 6, 6)
    assert b'"index"' not in event
    assert dialect("tgi").event(event).input_tokens is None


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        ("", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("日本", 2),
        ([1, 2, 3], 3),
        ([{"role": "user", "content": "abcde"}, {"role": "user", "content": "x"}], 3),
    ],
)
def test_tokens_are_a_quarter_of_the_bytes(prompt: object, tokens: int) -> None:
    assert count_tokens(prompt) == tokens


def test_texts_that_get_cut_are_not_ascii() -> None:
    assert text_of(1, 2, Manner()) == " quick brown"
    assert text_of(1, 2, manner_of("cut-anywhere")) == " café 日本"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "the body is not JSON: "),
        (b"[]", "the body is not a JSON object"),
        (b"{}", "the body lacks or misuses 'prompt'"),
    ],
)
def test_a_body_that_asks_for_nothing(body: bytes, why: str) -> None:
    with pytest.raises(NotAsked) as caught:
        read_ask("/v1/completions", body, "tiny")
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize("api", ["openai-embeddings", "rerank"])
def test_each_input_has_a_result(api: str) -> None:
    speaks = dialect(api)
    assert isinstance(speaks, PoolingDialect)
    ask = Ask(PROMPT, 0, "tiny", stream=False, more_inputs=("y" * 8, "z" * 8))
    read = read_ask(speaks.path(ask), msgspec.json.encode(speaks.body(ask)), "tiny")
    tokens = 11 + 2 + 2 + (3 * 11 if api == "rerank" else 0)  # the query goes with each document
    assert (read.inputs, read.prompt_tokens, read.stream) == (3, tokens, False)
    body = FORMATS[api].whole(read, Manner(), 1)
    assert speaks.flaw(body, 3) is None
    assert speaks.whole(body).input_tokens == tokens


@pytest.mark.parametrize("page", ['{"input": []}', '{"model": "m"}', '{"input": 3}'])
def test_embeddings_of_nothing_are_refused(page: str) -> None:
    with pytest.raises(NotAsked, match="the body lacks or misuses"):
        read_ask("/v1/embeddings", page.encode(), "tiny")
