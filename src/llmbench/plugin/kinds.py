"""The kinds of benchmarks: each is a row of `KINDS` that says what it measures."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from llmbench.apis import generates
from llmbench.bench import grid
from llmbench.cells import Cell, Limits, Shape
from llmbench.config import Grid, ModelConfig
from llmbench.plugin.models import choose
from llmbench.plugin.options import NO_GRID, Options
from llmbench.traffic import Traffic

FIRST_TRAFFIC = "chat"


class Kind(Struct, frozen=True):
    """A kind of benchmark, as ``pytest.mark.llm(name)`` asks for it.

    Whether its repeats go in rounds over the cells of a server follows from the shape of the
    load (`Cell.in_rounds`).
    """

    name: str
    shapes: Callable[[Grid], tuple[Shape, ...]]
    sweeps_limits: bool = False  # measures each of cores x memory, not only the model's own
    one_length: bool = False  # measures only the first pair of lengths
    deepens: bool = False  # measures prompts up to the model's context, not the grid's lengths
    takes_trace: bool = False  # --llm-trace replaces its shapes
    first_of_pair: bool = False  # makes cells only for the first model of --llm-ab
    traffic: Literal["instead", "besides", "only", "never"] = "instead"  # of lengths, if it is set
    needs: Literal["ab", "baseline"] | None = None  # the option without which it is left out
    place: int = 1  # kinds of a higher place come later; tests of other plugins have place 0


_ROWS = (
    Kind("grid", grid.closed_loop, traffic="never"),
    Kind("traffic", grid.closed_loop, traffic="only"),
    Kind("ramp", grid.ramp),
    Kind("rate", grid.open_loop, takes_trace=True),
    Kind("search", grid.highest_rate),
    Kind("most_users", grid.most_users),
    Kind("sizing", grid.closed_loop, sweeps_limits=True),
    Kind("cold", grid.cold_start, sweeps_limits=True, one_length=True, traffic="never"),
    Kind("depth", grid.depth, deepens=True, traffic="never"),
    Kind("ab", grid.closed_loop, first_of_pair=True, needs="ab"),
    Kind("gate", grid.closed_loop, needs="baseline", traffic="besides", place=2),
)
KINDS = {kind.name: kind for kind in _ROWS}


def kind_named(name: str, where: str) -> Kind:
    """The kind called `name`; a `ConfigError` says `where` an unknown one was found."""
    return KINDS[choose(name, list(KINDS), where)]


def cells_of(
    kind: Kind,
    model: ModelConfig,
    options: Options,
    default: Grid = NO_GRID,
    context_tokens: int | None = None,
) -> tuple[Cell, ...]:
    """The cells of one model for one kind of benchmark.

    `default` stands below what users set; `context_tokens` is what a server told of its own. There
    are none where the model's API can't be asked for what the kind is about.
    """
    merged = options.grid_of(model, default)
    sweep = grid.limits(model, merged) if kind.sweeps_limits else (Limits(),)
    if kind.deepens:
        merged = grid.at_depths(model, merged, options.command_line_grid, context_tokens)
    trace = options.trace if kind.takes_trace else None
    if kind.one_length or trace:
        merged = grid.first_lengths(merged)
    shapes = grid.trace(trace) if trace else kind.shapes(merged)
    sent = () if trace or kind.traffic == "never" else _traffic(kind, merged, options)
    if not generates(model.api) and (sent or kind.deepens):
        return ()  # without tokens there are no conversations, and nothing is decoded at a depth
    of_lengths = kind.traffic == "besides" or not sent
    cells = grid.cells(model, merged, shapes, sweep) if of_lengths else ()
    return (*cells, *(grid.cells(model, merged, shapes, sweep, sent) if sent else ()))


def _traffic(kind: Kind, merged: Grid, options: Options) -> tuple[Traffic, ...]:
    """The traffic that a grid asks for; a benchmark of nothing else has one to begin with."""
    names = merged.traffic or ((FIRST_TRAFFIC,) if kind.traffic == "only" else ())
    return grid.traffic(names, options.traffic_dir)
