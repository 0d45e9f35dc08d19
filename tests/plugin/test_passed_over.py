"""Options that some models have no use for."""

from collections.abc import Sequence

import pytest

from llmbench.cells import AnswerSchema, Cell, Users
from llmbench.config import ConfigError, Grid
from llmbench.plugin.passed_over import passed_over
from llmbench.value_types import Images

TEXT = Cell("text", 8, 8, Users(1))
SEEING = Cell("eyes", 8, 8, Users(1), images=Images(1, 64, 64))
POOLING = Cell("vectors", 8, 0, Users(1), inputs=8)
STRICT = Cell("strict", 8, 8, Users(1), schema=AnswerSchema("none"))
NOTHING = Grid()


def told(*cells: Cell, line: Grid = NOTHING, ini: Grid = NOTHING) -> Sequence[str]:
    return [*passed_over(line, ini, cells)]


@pytest.mark.parametrize(
    ("asked", "user", "words"),
    [
        (
            Grid(images=("none", "1@64x64")),
            SEEING,
            "--llm-images passes by text, triton: it is for prompts of a length, and an api like "
            "openai-chat, openai-responses or anthropic-messages",
        ),
        (
            Grid(schema=("none",)),
            STRICT,
            "--llm-schema passes by text, triton: it is for prompts of a length, and an api like "
            "openai-chat or openai-responses",
        ),
        (
            Grid(inputs=(1, 8)),
            POOLING,
            "--llm-inputs passes by text, triton: it is for the apis openai-embeddings and rerank",
        ),
    ],
)
def test_the_models_without_use_for_an_option_are_named(
    asked: Grid, user: Cell, words: str
) -> None:
    others = (Cell("triton", 8, 8, Users(1)), TEXT, Cell("text", 8, 8, Users(4)))
    assert told(*others, user, line=asked) == [words]
    assert told(*others, user, ini=asked) == [words]


def test_nothing_is_said_where_all_can_use_it_or_it_asks_for_nothing() -> None:
    bare = Cell("eyes", 8, 8, Users(1))
    assert told(bare, SEEING, line=Grid(images=("none", "1@64x64"))) == []
    assert told(TEXT, line=Grid(images=("none",), inputs=(1,))) == []
    assert told(TEXT) == []


def test_an_option_that_nothing_can_use_is_refused() -> None:
    words = (
        r"^--llm-images: no benchmark that was chosen can use it: it is for prompts of a length, "
        "and an api like openai-chat"
    )
    with pytest.raises(ConfigError, match=words):
        told(TEXT, POOLING, line=Grid(images=("1@64x64",)))


def test_a_setting_of_the_ini_file_stands_for_other_sessions_too() -> None:
    assert told(TEXT, ini=Grid(inputs=(8,))) == [
        "--llm-inputs passes by text: it is for the apis openai-embeddings and rerank"
    ]
