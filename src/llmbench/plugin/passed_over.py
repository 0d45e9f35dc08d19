"""Says which models an option has no use for, as it would else pass by them without a word."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from llmbench.cells import Cell
from llmbench.config import ConfigError, Grid


class Axis(Struct, frozen=True):
    """An option of the grid that only some models and benchmarks can use."""

    option: str
    key: str  # of the grid
    no_use: object  # the value that all of them have anyhow
    uses: Callable[[Cell], bool]
    what: str  # it is for


AXES = (
    Axis(
        "--llm-schema",
        "schema",
        None,
        lambda cell: cell.schema is not None,
        "prompts of a length, and an api like openai-chat or openai-responses",
    ),
    Axis(
        "--llm-images",
        "images",
        "none",
        lambda cell: cell.images is not None,
        "prompts of a length, and an api like openai-chat, openai-responses or anthropic-messages",
    ),
    Axis(
        "--llm-inputs",
        "inputs",
        1,
        lambda cell: cell.inputs > 1,
        "the apis openai-embeddings and rerank",
    ),
)


def passed_over(command_line: Grid, ini: Grid, cells: Sequence[Cell]) -> Iterator[str]:
    """A line for each option that some models of the `cells` that will be measured can't use.

    `ConfigError` where an option on the command line is of use to none of them.
    """
    for axis in AXES:
        given = getattr(command_line, axis.key)
        if not _asks(axis, given or getattr(ini, axis.key)):
            continue
        without = _models(cells) - _models(filter(axis.uses, cells))
        if without == _models(cells) and given:
            raise ConfigError(
                f"{axis.option}: no benchmark that was chosen can use it: it is for {axis.what}"
            )
        if without:
            names = ", ".join(sorted(without))
            yield f"{axis.option} passes by {names}: it is for {axis.what}"


def _asks(axis: Axis, values: Iterable[Any] | None) -> bool:
    return any(value != axis.no_use for value in values or ())


def _models(cells: Iterable[Cell]) -> set[str]:
    return {cell.model for cell in cells}
