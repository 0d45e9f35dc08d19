"""What each dialect asks and what it reads out of an answer, held to recorded wire samples."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmbench.apis import NAMES, ChatDialect, dialect
from llmbench.apis.protocol import Ask, Event
from llmbench.config import ConfigError
from llmbench.simulator.asked import read_ask
from llmbench.simulator.dialects.formats import FORMATS
from llmbench.simulator.faults import manner_of

ASK = Ask("Hi", 16, "some-model", unique="5a17-3")


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown API 'openai-completion'; did you mean 'openai-"):
        dialect("openai-completion")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai-completions", "/v1/completions"),
        ("openai-completions-plain", "/v1/completions"),
        ("trtllm-completions", "/v1/completions"),
        ("openai-chat", "/v1/chat/completions"),
        ("trtllm-chat", "/v1/chat/completions"),
        ("openai-chat-plain", "/v1/chat/completions"),
        ("openai-responses", "/v1/responses"),
        ("anthropic-messages", "/v1/messages"),
        ("llama.cpp", "/completion"),
        ("tgi", "/generate_stream"),
        ("sglang", "/generate"),
        ("ollama", "/api/generate"),
        ("triton", "/v2/models/some-model/generate_stream"),
        ("openai-embeddings", "/v1/embeddings"),
        ("rerank", "/v1/rerank"),
    ],
)
def test_path(name: str, path: str) -> None:
    assert dialect(name).path(ASK) == path


def test_the_page_names_every_dialect_in_its_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([^`]+)` \| `POST", page, flags=re.MULTILINE)
    assert tuple(named) == NAMES


def test_every_dialect_is_tested_here() -> None:
    assert set(NAMES) == set(BODIES)


BODIES: dict[str, dict[str, Any]] = {
    "openai-embeddings": {"model": "some-model", "input": ["Hi"], "encoding_format": "float"},
    "rerank": {"model": "some-model", "query": "Hi", "documents": ["Hi"], "top_n": 1},
    "openai-completions": {
        "model": "some-model",
        "prompt": "Hi",
        "max_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "ignore_eos": True,
        "min_tokens": 16,
        "cache_prompt": False,
        "cache_salt": "5a17-3",
    },
    "openai-completions-plain": {
        "model": "some-model",
        "prompt": "Hi",
        "max_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "trtllm-completions": {
        "model": "some-model",
        "prompt": "Hi",
        "max_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
        "min_tokens": 16,
    },
    "trtllm-chat": {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
        "min_tokens": 16,
    },
    "openai-chat": {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "ignore_eos": True,
        "min_tokens": 16,
        "cache_prompt": False,
        "cache_salt": "5a17-3",
    },
    "openai-chat-plain": {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "openai-responses": {
        "model": "some-model",
        "input": "Hi",
        "max_output_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "store": False,
        "ignore_eos": True,
        "min_tokens": 16,
        "cache_prompt": False,
        "cache_salt": "5a17-3",
    },
    "anthropic-messages": {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "ignore_eos": True,
        "min_tokens": 16,
        "cache_prompt": False,
        "cache_salt": "5a17-3",
    },
    "llama.cpp": {
        "prompt": "Hi",
        "n_predict": 16,
        "stream": True,
        "temperature": 0.0,
        "seed": 0,
        "ignore_eos": True,
        "cache_prompt": False,
        "return_tokens": True,
    },
    "tgi": {
        "inputs": "Hi",
        "parameters": {"max_new_tokens": 16, "details": True, "do_sample": False, "seed": 0},
    },
    "sglang": {
        "text": "Hi",
        "stream": True,
        "extra_key": "5a17-3",
        "sampling_params": {"max_new_tokens": 16, "temperature": 0.0, "ignore_eos": True},
    },
    "ollama": {
        "model": "some-model",
        "prompt": "Hi",
        "raw": True,
        "stream": True,
        "keep_alive": -1,
        "options": {"num_predict": 16, "temperature": 0.0, "seed": 0},
    },
    "triton": {
        "text_input": "Hi",
        "max_tokens": 16,
        "min_length": 16,
        "bad_words": "",
        "stop_words": "",
        "stream": True,
        "temperature": 0.0,
        "random_seed": 0,
    },
}


@pytest.mark.parametrize("name", sorted(BODIES))
def test_body(name: str) -> None:
    assert dialect(name).body(ASK) == BODIES[name]


def test_without_a_salt_the_cache_is_left_alone() -> None:
    ask = msgspec.structs.replace(ASK, unique=None)
    assert not {"cache_prompt", "cache_salt"} & set(dialect("openai-chat").body(ask))
    assert dialect("llama.cpp").body(ask)["cache_prompt"] is True
    assert "extra_key" not in dialect("sglang").body(ask)


def test_tgi_refuses_a_temperature_of_zero_so_it_is_left_out() -> None:
    warm = msgspec.structs.replace(ASK, temperature=0.7)
    parameters = dialect("tgi").body(warm)["parameters"]
    assert (parameters["do_sample"], parameters["temperature"]) == (True, 0.7)


@pytest.mark.parametrize(
    ("name", "data", "event"),
    [
        # OpenAI completions: a token, vLLM's continuous usage, llama.cpp's end, usage alone
        (
            "openai-completions",
            '{"choices":[{"text":" a","finish_reason":null}]}',
            Event(text=True),
        ),
        ("openai-completions", '{"choices":[{"text":"","finish_reason":null}]}', Event()),
        (
            "openai-completions",
            '{"choices":[{"text":" a"}],"usage":{"prompt_tokens":5,"completion_tokens":3}}',
            Event(text=True, output_tokens=3, input_tokens=5),
        ),
        (
            "openai-completions",
            '{"choices":[{"text":"","finish_reason":"length"}],'
            '"usage":{"completion_tokens":16,"prompt_tokens":5,'
            '"prompt_tokens_details":{"cached_tokens":4}},'
            '"timings":{"cache_n":4,"prompt_ms":7.5,"predicted_ms":80.25}}',
            Event(
                output_tokens=16,
                input_tokens=5,
                cached_tokens=4,
                finish_reason="length",
                prompt_ms=7.5,
                decode_ms=80.25,
            ),
        ),
        (
            "openai-completions",
            '{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":16},'
            '"metrics":{"time_to_first_token_ms":30.0,"queue_time_ms":10.0,"generation_time_ms":9.0}}',
            Event(output_tokens=16, input_tokens=5, queue_ms=10.0, prompt_ms=30.0, decode_ms=9.0),
        ),
        ("openai-completions", "[DONE]", Event(end=True)),
        ("openai-completions", '{"error":{"message":"boom","code":500}}', Event(error="boom")),
        ("openai-completions", '{"object":"error","message":"too long"}', Event(error="too long")),
        ("openai-completions", '{"error":"plain words"}', Event(error="plain words")),
        # chat: role, reasoning of both spellings, text, tools
        ("openai-chat", '{"choices":[{"delta":{"role":"assistant","content":""}}]}', Event()),
        ("openai-chat", '{"choices":[{"delta":{"role":"assistant","content":null}}]}', Event()),
        ("openai-chat", '{"choices":[{"delta":{"content":"a"}}]}', Event(text=True)),
        (
            "openai-chat",
            '{"choices":[{"delta":{"reasoning_content":"hm"}}]}',
            Event(reasoning=True),
        ),
        ("openai-chat", '{"choices":[{"delta":{"reasoning":"hm"}}]}', Event(reasoning=True)),
        ("openai-chat", '{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}', Event(text=True)),
        (
            "openai-chat",
            '{"choices":[{"delta":{},"finish_reason":"stop"}]}',
            Event(finish_reason="stop"),
        ),
        # responses: what holds text, what repeats it, the ends of llama.cpp and of OpenAI
        (
            "openai-responses",
            '{"type":"response.created","response":{"id":"r","status":"in_progress"}}',
            Event(),
        ),
        (
            "openai-responses",
            '{"type":"response.output_text.delta","item_id":"m","output_index":0,"delta":" a",'
            '"logprobs":[],"sequence_number":5}',
            Event(text=True),
        ),
        (
            "openai-responses",
            '{"type":"response.reasoning_text.delta","item_id":"m","delta":"hm"}',
            Event(reasoning=True),
        ),
        (
            "openai-responses",
            '{"type":"response.reasoning_summary_text.delta","delta":"hm"}',
            Event(reasoning=True),
        ),
        (
            "openai-responses",
            '{"type":"response.function_call_arguments.delta","delta":"{"}',
            Event(text=True),
        ),
        ("openai-responses", '{"type":"response.output_text.done","text":" a"}', Event()),
        (
            "openai-responses",
            '{"type":"response.completed","response":{"id":"r","status":"completed","output":['
            '{"type":"message","content":[{"type":"output_text","text":" a"}]}],"usage":'
            '{"input_tokens":32,"output_tokens":4,"total_tokens":36,'
            '"input_tokens_details":{"cached_tokens":31}}},'
            '"timings":{"cache_n":31,"prompt_ms":7.5,"predicted_ms":80.25}}',
            Event(
                end=True,
                finish_reason="stop",
                input_tokens=32,
                output_tokens=4,
                cached_tokens=31,
                prompt_ms=7.5,
                decode_ms=80.25,
            ),
        ),
        (
            "openai-responses",
            '{"type":"response.incomplete","response":{"status":"incomplete","error":null,'
            '"incomplete_details":{"reason":"max_output_tokens"},"usage":null}}',
            Event(end=True, finish_reason="length"),
        ),
        (
            "openai-responses",
            '{"type":"response.failed","response":{"status":"failed",'
            '"error":{"code":"server_error","message":"out of luck"}}}',
            Event(error="out of luck"),
        ),
        (
            "openai-responses",
            '{"type":"response.failed","response":{"status":"failed","error":null}}',
            Event(end=True, finish_reason="failed"),
        ),
        (
            "openai-responses",
            '{"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null}',
            Event(error="slow down"),
        ),
        ("openai-responses", '{"error":{"message":"boom","code":400}}', Event(error="boom")),
        # messages: the input's count at first, thinking, tools, the reason and the output's count
        (
            "anthropic-messages",
            '{"type":"message_start","message":{"id":"m","type":"message","content":[],'
            '"stop_reason":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":20,'
            '"cache_read_input_tokens":100,"output_tokens":1}}}',
            Event(input_tokens=123, cached_tokens=100),
        ),
        (
            "anthropic-messages",
            '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
            Event(),
        ),
        ("anthropic-messages", '{"type":"ping"}', Event()),
        (
            "anthropic-messages",
            '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}',
            Event(text=True),
        ),
        (
            "anthropic-messages",
            '{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"hm"}}',
            Event(reasoning=True),
        ),
        (
            "anthropic-messages",
            '{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"x"}}',
            Event(),
        ),
        (
            "anthropic-messages",
            '{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}',
            Event(text=True),
        ),
        (
            "anthropic-messages",
            '{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},'
            '"usage":{"output_tokens":4}}',
            Event(output_tokens=4, finish_reason="length"),
        ),
        ("anthropic-messages", '{"type":"message_stop"}', Event(end=True)),
        (
            "anthropic-messages",
            '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
            Event(error="Overloaded"),
        ),
        # llama.cpp: tokens, progress, the end
        ("llama.cpp", '{"content":"a","tokens":[5],"stop":false}', Event(text=True, tokens=1)),
        ("llama.cpp", '{"content":"","tokens":[],"prompt_progress":{"total":9}}', Event()),
        (
            "llama.cpp",
            '{"content":"","tokens":[],"stop":true,"stop_type":"limit","tokens_predicted":16,'
            '"tokens_evaluated":5,"timings":{"cache_n":0,"prompt_ms":7.5,"predicted_ms":80.25}}',
            Event(
                end=True,
                output_tokens=16,
                input_tokens=5,
                cached_tokens=0,
                finish_reason="length",
                prompt_ms=7.5,
                decode_ms=80.25,
            ),
        ),
        ("llama.cpp", '{"error":{"code":500,"message":"slot lost"}}', Event(error="slot lost")),
        # TGI 0.9.4 and 3: a token each; the last one has the counts
        (
            "tgi",
            '{"token":{"id":5,"text":" a","logprob":-1.0,"special":false},'
            '"generated_text":null,"details":null}',
            Event(text=True, tokens=1),
        ),
        (
            "tgi",
            '{"index":16,"token":{"id":2,"text":"</s>","special":true},'
            '"generated_text":"a","details":{"finish_reason":"eos_token","generated_tokens":16,'
            '"seed":null,"input_length":5}}',
            Event(
                text=True,
                tokens=1,
                output_tokens=16,
                input_tokens=5,
                finish_reason="stop",
                end=True,
            ),
        ),
        (
            "tgi",
            '{"error":"Request failed during generation","error_type":"generation"}',
            Event(error="Request failed during generation"),
        ),
        # SGLang: the whole text each time
        (
            "sglang",
            '{"text":" a b","meta_info":{"finish_reason":null,"prompt_tokens":5,'
            '"completion_tokens":2,"cached_tokens":1}}',
            Event(text=True, cumulative=True, output_tokens=2, input_tokens=5, cached_tokens=1),
        ),
        (
            "sglang",
            '{"text":" a b","meta_info":{"finish_reason":{"type":"length","length":2},'
            '"completion_tokens":2}}',
            Event(text=True, cumulative=True, output_tokens=2, finish_reason="length"),
        ),
        (
            "sglang",
            '{"text":"","meta_info":{"finish_reason":{"type":"abort","message":"out of memory"}}}',
            Event(error="out of memory"),
        ),
        # Ollama
        ("ollama", '{"model":"m","response":"a","done":false}', Event(text=True)),
        (
            "ollama",
            '{"model":"m","response":"","thinking":"hm","done":false}',
            Event(reasoning=True),
        ),
        (
            "ollama",
            '{"response":"","done":true,"done_reason":"length","prompt_eval_count":5,'
            '"prompt_eval_duration":7500000,"eval_count":16,"eval_duration":80250000,'
            '"load_duration":1000000}',
            Event(
                end=True,
                output_tokens=16,
                input_tokens=5,
                finish_reason="length",
                queue_ms=1.0,
                prompt_ms=7.5,
                decode_ms=80.25,
            ),
        ),
        ("ollama", '{"error":"model not found"}', Event(error="model not found")),
        # Triton
        ("triton", '{"model_name":"ensemble","text_output":"a"}', Event(text=True)),
        ("triton", '{"model_name":"ensemble","text_output":""}', Event()),
        ("triton", '{"error":"in ensemble: failed"}', Event(error="in ensemble: failed")),
    ],
)
def test_event(name: str, data: str, event: Event) -> None:
    assert dialect(name).event(data.encode()) == event


def test_a_response_that_is_not_streamed_tells_reasoning_apart() -> None:
    body = (
        b'{"object":"response","status":"completed","error":null,"incomplete_details":null,'
        b'"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},'
        b'{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],'
        b'"usage":{"input_tokens":8,"output_tokens":2}}'
    )
    assert dialect("openai-responses").whole(body) == Event(
        text=True,
        reasoning=True,
        end=True,
        finish_reason="stop",
        input_tokens=8,
        output_tokens=2,
    )


def test_a_message_that_is_not_streamed_tells_thinking_apart() -> None:
    body = (
        b'{"type":"message","role":"assistant","content":[{"type":"thinking","thinking":"hm"},'
        b'{"type":"tool_use","id":"t","name":"look","input":{"at":1}}],"stop_reason":"tool_use",'
        b'"usage":{"input_tokens":1,"cache_read_input_tokens":31,"output_tokens":4}}'
    )
    assert dialect("anthropic-messages").whole(body) == Event(
        text=True,
        reasoning=True,
        finish_reason="tool_calls",
        input_tokens=32,
        cached_tokens=31,
        output_tokens=4,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'"text"', b"\xff\xfe"])
def test_what_is_no_object_is_malformed(data: bytes, name: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        dialect(name).event(data)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":{"message":"model not found","type":"invalid"}}', "model not found"),
        (b'{"error":{"type":"overloaded_error"}}', "overloaded_error"),
        (b'{"error":"Model is overloaded","error_type":"overloaded"}', "Model is overloaded"),
        (b'{"object":"error","message":"max_tokens is too large"}', "max_tokens is too large"),
        (b'{"detail":[{"loc":["body"],"msg":"field required"}]}', "field required"),
        (b"upstream connect error", "upstream connect error"),
        (b"", None),
        (b"{}", None),
    ],
)
def test_words_of_an_error_body(body: bytes, words: str | None) -> None:
    said = dialect("openai-chat").error(body)
    assert said == words or (words is not None and said is not None and words in said)


@pytest.mark.parametrize(
    ("headers", "queue_ms"),
    [({b"x-queue-time": b"12"}, 12.0), ({b"x-queue-time": b"1.5"}, 1.5), ({}, None)],
)
def test_tgi_tells_its_queue_in_a_header_where_it_does_not_stream(
    headers: dict[bytes, bytes], queue_ms: float | None
) -> None:
    body = b'{"generated_text":"hi","details":{"finish_reason":"length","generated_tokens":1}}'
    said = dialect("tgi").whole(body, headers)
    assert said.queue_ms == queue_ms
    assert said.output_tokens == 1


TALK = msgspec.structs.replace(
    ASK, messages=(("system", "Be brief"), ("user", "Hi"), ("assistant", "Yes?"), ("user", "Go"))
)


def test_the_messages_of_a_conversation_are_sent_where_each_endpoint_has_them() -> None:
    responses, messages = (
        dialect(name).body(TALK) for name in ("openai-responses", "anthropic-messages")
    )
    assert responses["input"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
        {
            "type": "message",
            "id": "msg_2",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Yes?", "annotations": []}],
        },
        {"role": "user", "content": "Go"},
    ]
    assert messages["system"] == "Be brief"
    assert [message["role"] for message in messages["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("api", ["openai-chat", "openai-responses", "anthropic-messages"])
@pytest.mark.parametrize("stream", [True, False])
def test_the_text_of_an_answer_is_without_its_reasoning(api: str, stream: bool) -> None:
    speaks = dialect(api)
    assert isinstance(speaks, ChatDialect)
    ask = msgspec.structs.replace(ASK, output_tokens=4, stream=stream)
    asked = read_ask(speaks.path(ask), msgspec.json.encode(speaks.body(ask)), "m")
    style, manner = FORMATS[asked.dialect], manner_of("reasoning")
    events = [
        *style.opening(asked, manner),
        *(style.event(asked, manner, n, n, 4) for n in range(1, 5)),
        *style.ending(asked, manner, 4),
    ]
    said = map(speaks.said, events if stream else [style.whole(asked, manner, 4)])
    assert "".join(said) == " fox jumps"
