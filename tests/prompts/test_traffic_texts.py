"""What traffic sends, and every mistake in a file of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmbench.config import ConfigError
from llmbench.prompts.tokens.tokenizer import Tokenizer
from llmbench.prompts.traffic_texts.materials import material_of
from llmbench.prompts.traffic_texts.traffic_files import traffic_named
from llmbench.traffic import (
    Bodies,
    Material,
    Prefixes,
    PromptsOfLength,
    Replayed,
    Scripts,
    SharedPrefix,
    Traffic,
)

Write = Callable[..., Traffic]

QUESTIONS = ["why is the sky blue", "what is a queue", "and a stack"]


@pytest.fixture
def traffic(tmp_path: Path) -> Write:
    """Writes ``mine.toml``, and beside it the lines of ``data.jsonl``, and reads both."""

    def write(toml: str, *lines: Any) -> Traffic:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (tmp_path / "data.jsonl").write_text("\n".join(texts), encoding="utf-8")
        (tmp_path / "mine.toml").write_text(toml, encoding="utf-8")
        (one,) = traffic_named([str(tmp_path / "mine.toml")], tmp_path)
        return one

    return write


def made(traffic: Traffic, counter: Tokenizer, context: int | None = None) -> Material:
    return material_of(
        traffic,
        counter,
        seed=1,
        fresh="a",
        context_tokens=context,
        say=lambda line: None,
        prompts=lambda tokens: PromptsOfLength((f"{tokens}",), (tokens,)),
    )


def talk(*texts: str, roles: tuple[str, ...] = ("user", "assistant")) -> dict[str, Any]:
    said = [{"role": roles[k % len(roles)], "content": text} for k, text in enumerate(texts)]
    return {"messages": said}


SOURCE = 'kind = "conversations"\nsource = "data.jsonl"\noutput_tokens = 8\n'
SHARED = 'kind = "shared-prefix"\ngroups = 3\nprefix_tokens = 40\nsuffix_tokens = 9\n'
SHARED += "output_tokens = 4\nsuffixes = 20\n"
REPLAY = 'kind = "requests"\nfile = "data.jsonl"\n'


def test_conversations_come_from_a_file_of_messages(traffic: Write, words: Tokenizer) -> None:
    line = talk(QUESTIONS[0], "it scatters", QUESTIONS[1], "a line", QUESTIONS[2])
    material = made(traffic(SOURCE, line), words)
    assert isinstance(material, Scripts)
    (script,) = material.scripts
    assert script.messages == tuple(QUESTIONS)
    assert script.tokens == (5, 4, 3)
    assert script.answers == ("it scatters", "a line")


def test_a_message_that_is_too_long_ends_a_conversation(traffic: Write, words: Tokenizer) -> None:
    line = talk("short one", "yes", "a b c d e f", "no")
    material = made(traffic(SOURCE + "most_user_tokens = 5", line), words)
    assert isinstance(material, Scripts)
    assert material.scripts[0].messages == ("short one",)


def test_made_up_messages_have_the_lengths_of_their_turns(
    traffic: Write, byte_level: Tokenizer
) -> None:
    toml = 'kind = "conversations"\noutput_tokens = 8\nuser_tokens = [12, 5]\nturns = 3\n'
    material = made(traffic(toml + "conversations = 7\nsystem_tokens = 20"), byte_level)
    assert isinstance(material, Scripts)
    assert len(material.scripts) == 7
    for script in material.scripts:
        assert byte_level.lengths(script.messages) == [12, 5, 5]
    assert byte_level.lengths([material.system]) == [material.system_tokens] == [20]


def test_prefix_and_suffix_have_exactly_the_tokens_asked_for(
    traffic: Write, byte_level: Tokenizer
) -> None:
    material = made(traffic(SHARED), byte_level)
    assert isinstance(material, Prefixes)
    assert len(material.prefixes) == 3 + 1
    assert len(set(material.suffixes)) == 20
    assert byte_level.lengths(material.prefixes) == [40] * 4
    both = [prefix + suffix for prefix in material.prefixes for suffix in material.suffixes]
    assert set(byte_level.lengths(both)) == {49}


def test_prefixes_are_new_in_each_repeat(traffic: Write, byte_level: Tokenizer) -> None:
    shared = traffic(SHARED)

    def prefixes(fresh: str) -> Material:
        return material_of(
            shared,
            byte_level,
            seed=1,
            fresh=fresh,
            context_tokens=None,
            say=lambda line: None,
            prompts=lambda tokens: PromptsOfLength((), ()),
        )

    assert prefixes("a") == prefixes("a")
    assert prefixes("a") != prefixes("b")


def test_a_batch_file_is_taken_as_it_is(traffic: Write, words: Tokenizer) -> None:
    body = talk("hello") | {"max_tokens": 5, "top_p": 0.5, "model": "theirs"}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    material = made(traffic(REPLAY, line), words)
    assert isinstance(material, Bodies) and material.chat
    assert json.loads(material.bodies[0].json) == body
    assert material.bodies[0].output_tokens == 5


def test_timestamps_say_when_a_request_is_due(traffic: Write, words: Tokenizer) -> None:
    lines = [{"prompt": text, "timestamp": at} for text, at in (("b", 103.0), ("a", 100.0))]
    material = made(traffic(REPLAY + "speedup = 2.0", *lines), words)
    assert isinstance(material, Bodies) and not material.chat
    assert [(json.loads(b.json)["prompt"], b.at_s) for b in material.bodies] == [
        ("a", 0.0),
        ("b", 1.5),
    ]


MISTAKES = [
    (SOURCE, [talk("alone")], "data.jsonl: record 1: a conversation without an assistant's turn"),
    (
        SOURCE,
        [talk("a", "b"), talk("a", "b", "c", roles=("user", "assistant", "assistant"))],
        "data.jsonl: record 2: message 3 is of 'assistant', but it is the turn of the user",
    ),
    (SOURCE, [], "holds no conversation whose first 1 messages of the user"),
    (SOURCE, [{"text": "?"}], "record 1: it has no conversation (none of conversations, messages"),
    (REPLAY, [], "data.jsonl: it holds no requests"),
    (REPLAY, ["{"], "data.jsonl: line 1: not JSON"),
    (REPLAY, [talk("a"), {"prompt": "b"}], "some requests have 'messages' and others a 'prompt'"),
    (REPLAY, [{"model": "x"}], "line 1: a request has either 'messages' or a 'prompt'"),
    (REPLAY, [{"messages": []}], "line 1: 'messages' is not a list of messages"),
    (REPLAY, [{"prompt": "a", "max_tokens": 0}], "line 1: a limit of 0 output tokens"),
    (
        REPLAY,
        [{"prompt": "a", "timestamp": 1}, {"prompt": "b"}],
        "line 2: 'timestamp' is missing, which other requests have",
    ),
    (
        REPLAY,
        [{"url": "/v1/embeddings", "body": {"input": "a"}}],
        "line 1: url '/v1/embeddings' can't be replayed",
    ),
]


@pytest.mark.parametrize(("toml", "lines", "words_of_it"), MISTAKES)
def test_a_mistake_in_a_file_names_file_record_and_remedy(
    traffic: Write, words: Tokenizer, toml: str, lines: list[Any], words_of_it: str
) -> None:
    with pytest.raises(ConfigError) as error:
        made(traffic(toml, *lines), words)
    assert words_of_it in str(error.value)


KEYS = [
    ("groups = 2", "mine.toml: key 'kind': missing"),
    ('kind = "chats"', "key 'kind': unknown 'chats'"),
    (SHARED.replace("groups", "group"), "unknown key 'group'; did you mean 'groups'?"),
    ('kind = "requests"\nfile = "none.jsonl"', "none.jsonl is not a file"),
    (
        'kind = "conversations"\noutput_tokens = 8\nanswers = "recorded"',
        "made-up conversations have no recorded answers",
    ),
    (
        'kind = "conversations"\noutput_tokens = 8\ncontext_tokens = 30',
        "the first turn alone needs 40 tokens, which don't fit 30",
    ),
    (
        'kind = "conversations"\noutput_tokens = 8\nfewest_turns = 9',
        "key 'fewest_turns': 9 is more than the 4 turns",
    ),
    (
        'kind = "conversations"\noutput_tokens = 8\nsystem = "a"\nsystem_tokens = 9',
        "give the system prompt or its length",
    ),
]


@pytest.mark.parametrize(("toml", "words_of_it"), KEYS)
def test_a_mistake_in_the_keys_is_found_at_collection(
    traffic: Write, toml: str, words_of_it: str
) -> None:
    with pytest.raises(ConfigError) as error:
        traffic(toml)
    assert words_of_it in str(error.value)


def test_an_unknown_name_lists_those_there_are(traffic: Write, tmp_path: Path) -> None:
    traffic(SHARED)
    with pytest.raises(ConfigError, match=r"traffic 'mine2': .*did you mean 'mine'"):
        traffic_named(["mine2"], tmp_path)
    with pytest.raises(ConfigError, match="traffic 'mine' is given twice"):
        traffic_named(["mine", str(tmp_path / "mine.toml")], tmp_path)


def test_a_prefix_longer_than_the_context_is_refused(traffic: Write, byte_level: Tokenizer) -> None:
    with pytest.raises(ConfigError, match=r"a prefix of 40 tokens.*context of 50 tokens; ask for"):
        made(traffic(SHARED), byte_level, context=50)


def test_a_first_turn_longer_than_the_context_is_refused(
    traffic: Write, byte_level: Tokenizer
) -> None:
    toml = 'kind = "conversations"\noutput_tokens = 8\nconversations = 3'
    with pytest.raises(ConfigError, match="no conversation's first turn fits a context of 20"):
        made(traffic(toml), byte_level, context=20)


def test_the_files_of_this_repository_can_be_read() -> None:
    folder = Path(__file__).parents[2] / "fixtures" / "traffic"
    chat, agents, rag, replay = traffic_named(["chat", "agents", "rag", "replay"], folder)
    assert (chat.name, agents.name) == ("chat", "agents")
    assert isinstance(rag, SharedPrefix)
    assert isinstance(replay, Replayed) and Path(replay.file).is_file()
