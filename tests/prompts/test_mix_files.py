"""The file of a mix, and every mistake in one."""

from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.prompts.traffic_texts.traffic_files import load_traffic
from llmbench.traffic import HangUps, Lengths, Mix, SharedPrefix
from llmbench.value_types import Slo

A = '[[classes]]\nname = "a"\nshare = 0.7\ninput_tokens = 32\noutput_tokens = 8\n'
B = '[[classes]]\nname = "b"\nshare = 0.3\ntraffic = "rag"\n'
RAG = 'kind = "shared-prefix"\ngroups = 2\nprefix_tokens = 9\nsuffix_tokens = 3\noutput_tokens = 4'


def mix(folder: Path, *parts: str) -> Mix:
    (folder / "rag.toml").write_text(RAG, encoding="utf-8")
    (folder / "mine.toml").write_text('kind = "mix"\n' + "".join(parts), encoding="utf-8")
    loaded = load_traffic("mine", folder)
    assert isinstance(loaded, Mix)
    return loaded


def test_a_class_has_lengths_or_a_traffic_by_its_name(tmp_path: Path) -> None:
    more = 'model = "lora"\nheaders = { x-tenant = "b" }\nslo = { ttft_ms = { p95 = 500 } }\n'
    a, b = mix(tmp_path, A, B, more, "hang_ups = { share = 0.5, after_tokens = 2 }\n").classes
    assert (a.name, a.share, a.traffic) == ("a", 0.7, Lengths("a", 32, 8))
    assert isinstance(b.traffic, SharedPrefix)
    assert b.traffic.hang_ups == HangUps(0.5, after_tokens=2)
    assert (b.model, b.headers) == ("lora", {"x-tenant": "b"})
    assert b.slo == Slo(ttft_ms={"p95": 500})


def test_a_path_counts_from_the_file_of_the_mix(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "other.toml").write_text(RAG, encoding="utf-8")
    named = B.replace("rag", "one/other.toml")
    assert isinstance(mix(tmp_path, A, named).classes[1].traffic, SharedPrefix)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([""], "key 'classes' is missing"),
        (
            [A, B.replace("0.3", "0.2")],
            "the shares of its classes add up to 0.9, and have to add up to 1",
        ),
        (
            [A, B.replace("0.3", "0.0")],
            "class 'b': a share of 0 sends nothing; give a share above 0, or leave the class out",
        ),
        ([A, B.replace("0.3", "1.3")], "key 'classes[1].share': expected `float` <= 1.0"),
        (
            [A, B.replace('"b"', '"a"')],
            "class 'a': tables are told apart by the names of classes; give each a name of its own",
        ),
        (
            [A, B.replace('traffic = "rag"', "")],
            "class 'b': it has neither a traffic nor lengths; give traffic = 'NAME', or"
            " input_tokens and output_tokens",
        ),
        ([A + 'traffic = "rag"\n', B], "class 'a': it has a traffic and lengths; give traffic"),
        (
            [A.replace("output_tokens = 8", ""), B],
            "class 'a': key 'output_tokens' is missing, beside 'input_tokens'",
        ),
        (
            [A, B + 'model = ""\n'],
            "class 'b': key 'model': it names none; name a model or a LoRA adapter of the server,"
            " or leave the key out for the cell's own",
        ),
        (
            [A, B.replace("rag", "mine.toml").replace("mine", "inner")],
            "class 'b': traffic 'inner.toml' is a mix itself; name its classes here instead",
        ),
        ([A, B.replace("rag", "rga")], "has no such file; did you mean 'rag'?"),
        ([A, B + "modle = 1\n"], "unknown key 'classes[1].modle'; did you mean 'model'?"),
        (
            [A, B + 'headers = { authorization = "Bearer x" }\n'],
            "class 'b': client.headers.authorization: a secret doesn't belong in a file",
        ),
        (
            [A, B + 'headers = { authorization = "$NOT_SET_HERE" }\n'],
            "class 'b': client.headers.authorization: the environment variable NOT_SET_HERE is not",
        ),
    ],
)
def test_mistakes_name_the_file_the_class_and_the_remedy(
    tmp_path: Path, parts: list[str], message: str
) -> None:
    (tmp_path / "inner.toml").write_text('kind = "mix"\n' + A.replace("0.7", "1.0"), "utf-8")
    with pytest.raises(ConfigError) as caught:
        mix(tmp_path, *parts)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


LENGTHS = 'kind = "lengths"\ninput_tokens = 8\noutput_tokens = 8\n'


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "{ share = 0.5 }",
            "key 'hang_ups': give after_tokens or after_ms, after which the client hangs up",
        ),
        (
            "{ share = 0.5, after_tokens = 1, after_ms = 5 }",
            "key 'hang_ups': give after_tokens or after_ms, after which the client hangs up",
        ),
        ("{ share = 1.5, after_ms = 5 }", "key 'hang_ups.share': expected `float` <= 1.0"),
        (
            "{ share = 0.5, after_tokens = 8 }",
            "key 'hang_ups': an answer of 8 tokens is over after 8 tokens; hang up earlier, or ask"
            " for longer answers",
        ),
    ],
)
def test_a_hang_up_needs_a_share_and_a_moment(tmp_path: Path, key: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(f"{LENGTHS}hang_ups = {key}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_traffic("mine", tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.toml'}: {message}")


def test_a_class_of_conversations_has_no_hang_ups(tmp_path: Path) -> None:
    (tmp_path / "chat.toml").write_text('kind = "conversations"\noutput_tokens = 8\n', "utf-8")
    with pytest.raises(ConfigError, match="class 'b': key 'hang_ups': conversations need their"):
        mix(tmp_path, A, B.replace("rag", "chat"), "hang_ups = { share = 0.5, after_ms = 9 }\n")
