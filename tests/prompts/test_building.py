import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow
import pytest
from pyarrow import parquet

from llmbench.config import ConfigError
from llmbench.prompts.building import build_buckets
from llmbench.prompts.corpus.sources import Source
from llmbench.prompts.sorting import Wanted
from llmbench.prompts.tokens.tokenizer import Tokenizer

Conversations = Callable[[list[list[tuple[str, str]]]], Path]


def counted_line(said: list[str]) -> str:
    """The line that sums up; a slow machine says how far it is before."""
    (line,) = [line for line in said if line.endswith("left out")]
    return line


def test_sharegpt_conversations(
    words: Tokenizer, sharegpt_file: Conversations, said: list[str]
) -> None:
    path = sharegpt_file([[("human", "one two"), ("gpt", "three"), ("human", "four")]])
    built = build_buckets(
        Source("file", str(path)), words, Wanted((4, 7), tolerance=0), hurry=False, say=said.append
    )
    assert [prompt.text for prompt in built[4].prompts] == ["USER: one two ASSISTANT:"]
    assert [prompt.tokens for prompt in built[7].prompts] == []
    assert counted_line(said) == f"{path}: 2 prompts counted, 0 duplicates left out"


def test_what_was_dropped_is_said_and_kept(
    words: Tokenizer, sharegpt_file: Conversations, said: list[str]
) -> None:
    path = sharegpt_file([[("human", "one two")], [("human", "lost")]])
    path.write_text(path.read_text()[:-10])
    built = build_buckets(
        Source("file", str(path)), words, Wanted((4,)), hurry=False, say=said.append
    )
    assert said[-1].startswith(f"{path}: 1 whole records read; what follows was dropped")
    assert built[4].dropped == said[-1]


def test_special_tokens_in_texts_are_neutralised(
    words: Tokenizer, tmp_path: Path, said: list[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "USER: a ASSISTANT: b </s>USER: c ASSISTANT:"}))
    built = build_buckets(
        Source("file", str(path)), words, Wanted((6,)), hurry=False, say=said.append
    )
    assert [p.text for p in built[6].prompts] == ["USER: a ASSISTANT: b USER: c ASSISTANT:"]


@pytest.mark.parametrize("content", ['{"text": "a", "more": 1}', "{}"])
def test_records_of_another_shape_are_an_error(
    words: Tokenizer, tmp_path: Path, said: list[str], content: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"neither 'prompt' nor 'conversations' \(they have: "):
        build_buckets(Source("file", str(path)), words, Wanted((6,)), hurry=False, say=said.append)


@pytest.mark.parametrize("kind", ["file", "hub"])
def test_parquet_of_another_shape_is_an_error(
    words: Tokenizer, tmp_path: Path, said: list[str], kind: Literal["file", "hub"]
) -> None:
    path = tmp_path / "train.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([{"text": "a", "more": 1}]), path)
    source = Source(kind, str(path if kind == "file" else tmp_path))
    with pytest.raises(ConfigError, match=r"neither .* \(they have: text, more\)"):
        build_buckets(source, words, Wanted((6,)), hurry=True, say=said.append)


def test_records_without_a_prompt_among_others_are_dropped_and_counted(
    words: Tokenizer, tmp_path: Path, said: list[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{"prompt": "a b c"}\n{"note": 1}\n')
    built = build_buckets(
        Source("file", str(path)), words, Wanted((3,)), hurry=False, say=said.append
    )
    assert [prompt.text for prompt in built[3].prompts] == ["a b c"]
    assert built[3].dropped == f"{path}: 2 records dropped that have no prompt"
    assert said[-1] == built[3].dropped


def test_a_source_of_another_shape_is_not_read_to_its_end(words: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n' * 1000 + '{"prompt": "a b c"}\n')
    with pytest.raises(
        ConfigError, match=r"neither 'prompt' nor 'conversations' \(they have: text"
    ):
        build_buckets(Source("file", str(path)), words, Wanted((3,)), hurry=False, say=print)


def test_a_source_without_prompts_is_an_error(
    words: Tokenizer, tmp_path: Path, said: list[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": " "}\n{"prompt": null}')
    with pytest.raises(ConfigError, match=r"rows\.jsonl: there is no prompt in it"):
        build_buckets(Source("file", str(path)), words, Wanted((6,)), hurry=False, say=said.append)


@pytest.fixture
def many(tmp_path: Path) -> Source:
    """10,000 different prompts of 20 words."""
    path = tmp_path / "set" / "data" / "train-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    rows = [{"prompt": " ".join([str(n)] * 20)} for n in range(10_000)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return Source("file", str(path))


def test_a_hurried_build_stops_when_all_buckets_are_full(
    words: Tokenizer, many: Source, said: list[str]
) -> None:
    built = build_buckets(many, words, Wanted((20,), per_length=100), hurry=True, say=said.append)
    counted = int(counted_line(said).split(": ")[1].split(" ")[0].replace(",", ""))
    assert 500 < counted < 760  # 625 expected of a sixteenth, sd 24
    assert (len(built[20].prompts), built[20].complete) == (100, False)
    assert max(int(prompt.text.split()[0]) for prompt in built[20].prompts) > 5_000


def test_a_hurried_build_goes_on_until_they_are(
    words: Tokenizer, many: Source, said: list[str]
) -> None:
    built = build_buckets(many, words, Wanted((20,), per_length=9_999), hurry=True, say=said.append)
    assert (len(built[20].prompts), built[20].complete) == (9_999, True)
    assert counted_line(said).endswith("10,000 prompts counted, 0 duplicates left out")


def test_a_hurried_build_from_the_hub_reads_its_first_rows(
    words: Tokenizer, many: Source, said: list[str]
) -> None:
    hub = Source("hub", str(many.path.parent.parent))
    built = build_buckets(hub, words, Wanted((20,), per_length=100), hurry=True, say=said.append)
    assert counted_line(said).endswith("4,096 prompts counted, 0 duplicates left out")
    assert len(built[20].prompts) == 100


def test_an_unhurried_build_reads_all(words: Tokenizer, many: Source, said: list[str]) -> None:
    built = build_buckets(many, words, Wanted((20,), per_length=100), hurry=False, say=said.append)
    assert counted_line(said).endswith("10,000 prompts counted, 0 duplicates left out")
    assert built[20].complete
