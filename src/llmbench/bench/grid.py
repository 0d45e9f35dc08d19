"""Merges the settings (command line, TOML, ini, defaults) and makes the cells of their product."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path

import msgspec

from llmbench.bench.grids.answer_schemas import answer_schemas
from llmbench.bench.grids.image_sizes import image_sizes
from llmbench.bench.grids.request_lengths import lengths_of_requests
from llmbench.bench.shelf import context_of
from llmbench.cells import ArrivalProcess, Arrivals, Cell, Limits, Ramp, Shape, Trace, Users
from llmbench.config import (
    ConfigError,
    Grid,
    ModelConfig,
    RemoteServer,
    limits_of,
    parse_bytes,
    parse_repeats,
)
from llmbench.prompts import is_timed, traffic_named
from llmbench.traffic import Replayed, Traffic

DEFAULTS = Grid(
    input_tokens=(128,),
    output_tokens=(64,),
    inputs=(1,),
    users=(1, 4),
    rates=(0.5, 1, 2, 4),
    arrivals="poisson",
    requests=5,
    repeats="1",
    launches=1,
)
RAMP_STEP_S = 10.0  # so that a step holds tens of requests
RATE_CELL_S = 30.0  # so that the default rates give 15 to 120 requests
TRIAL_S = 15.0
"""How long arrivals go on in a trial of a search, which has several."""
DEPTH_OUTPUT_TOKENS = 64
"""Output of a request at a depth: enough gaps for a rate, and little beside the depth."""
LEAST_DEPTH_TOKENS = 128
DEEPEST_TOKENS = 8192
"""Where neither the configuration nor the server says how long the context is."""
TEMPLATE_TOKENS = 64
"""Left free in the context, for what a chat template and special tokens add to a prompt."""
LENGTH_KEYS = {"input_tokens", "output_tokens", "pairs"}

_LISTS: dict[str, Callable[[str], object]] = {
    "input_tokens": int,
    "output_tokens": int,
    "inputs": int,
    "users": int,
    "rates": float,
    "cores": float,
    "memory": str,
    "instances": int,
    "traffic": str,
    "prefix_cache": str,
    "schema": str,
    "images": str,
}
_SINGLES: dict[str, Callable[[str], object]] = {
    "requests": int,
    "launches": int,
    "duration_s": float,
    "spawn_rate": float,
    "repeats": str,
    "arrivals": str,
}


def parse_setting(key: str, text: str, where: str) -> object:
    """The value of the setting `key`, written as `text` on the command line or in an ini file.

    `where` names the option or the ini key in the `ConfigError`.
    """
    parse = _LISTS.get(key) or _SINGLES[key]
    try:
        if key in _LISTS:
            return tuple(parse(part.strip()) for part in text.split(",") if part.strip())
        return parse(text)
    except ValueError:
        form = "numbers with commas between" if key in _LISTS else "a number"
        raise ConfigError(f"{where}: {text!r} is not {form}") from None


def grid_of(values: dict[str, tuple[str, object]]) -> Grid:
    """A `Grid` from ``key -> (where it was given, value)``, checked like a TOML table."""
    for key, (where, value) in values.items():
        try:
            msgspec.convert({key: value}, Grid)
        except msgspec.ValidationError as error:
            fault = str(error).partition(" - at ")[0]
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
            reason = fault[0].lower() + fault[1:]
            raise ConfigError(f"{where}: {shown!r} can't be: {reason}") from None
    grid = msgspec.convert({key: value for key, (_, value) in values.items()}, Grid)
    for key, (where, _) in values.items():
        if key == "repeats":
            repeats_of(grid, where)
        if key == "memory":
            for size in grid.memory or ():
                parse_bytes(size, where)
    return grid


def merge(*grids: Grid) -> Grid:
    """Merge grids: the first that has a key decides it, the first with a length all lengths."""
    merged: dict[str, object] = {}
    for grid in (*grids, DEFAULTS):
        given = {k: v for k in grid.__struct_fields__ if (v := getattr(grid, k)) is not None}
        if "pairs" in merged or ("pairs" in given and LENGTH_KEYS & merged.keys()):
            given = {k: v for k, v in given.items() if k not in LENGTH_KEYS}
        merged = given | merged
    return Grid(**merged)  # type: ignore[arg-type]


def repeats_of(grid: Grid, where: str = "grid.repeats") -> tuple[int, int]:
    """The fewest and the most repeats of each cell."""
    return parse_repeats(grid.repeats or "1", where)


def launches_of(model: ModelConfig, grid: Grid) -> int:
    """How many launches of a model's server the repeats are spread over.

    `ConfigError` where it can't be launched anew, and where a launch would have no repeat.
    """
    launches, (fewest, most) = grid.launches or 1, repeats_of(grid, f"{model.name}: grid.repeats")
    where = f"--llm-launches: {model.name}"
    if launches > 1 and isinstance(model.server, RemoteServer):
        raise ConfigError(f"{where}: a server at a URL can't be launched anew; leave it at 1")
    if launches > 1 and fewest != most:
        raise ConfigError(
            f"{where}: {fewest}..{most} repeats can't be spread over {launches} launches; "
            "give one number of repeats"
        )
    if launches > most:
        raise ConfigError(
            f"{where}: {launches} launches need {launches} repeats or more, not {most}: "
            f"--llm-repeats {2 * launches} gives each launch two"
        )
    return launches


def lengths(grid: Grid) -> tuple[tuple[int, int], ...]:
    """The (input, output) token lengths of a merged grid."""
    if grid.pairs is not None:
        return grid.pairs
    return tuple(product(grid.input_tokens or (), grid.output_tokens or ()))


def first_lengths(grid: Grid) -> Grid:
    """The same grid with only its first pair of lengths."""
    only = {"input_tokens": None, "output_tokens": None, "pairs": lengths(grid)[:1]}
    return msgspec.structs.replace(grid, **only)


def at_depths(model: ModelConfig, grid: Grid, asked: Grid, told_tokens: int | None) -> Grid:
    """The same grid with prompts of 128, 256, … tokens up to the model's context, one output.

    `asked` has the lengths that the user wants instead, `told_tokens` the context that the server
    told. The last prompt fills the context, unless it is about as long as the one before.
    """
    outputs = (asked.output_tokens or (DEPTH_OUTPUT_TOKENS,))[:1]
    inputs = asked.input_tokens or _depths(context_of(model.server) or told_tokens, outputs[0])
    lengths = {"input_tokens": inputs, "output_tokens": outputs, "pairs": None}
    return msgspec.structs.replace(grid, **lengths)


def _depths(context_tokens: int | None, output_tokens: int) -> tuple[int, ...]:
    if context_tokens is None:
        return doublings(LEAST_DEPTH_TOKENS, DEEPEST_TOKENS)
    deepest = context_tokens - output_tokens - TEMPLATE_TOKENS
    doubled = doublings(LEAST_DEPTH_TOKENS, deepest)
    ends = doubled and deepest < 1.1 * doubled[-1]
    return doubled if ends else (*doubled, max(1, deepest))


def doublings(least: int, most: int) -> tuple[int, ...]:
    """`least`, and its doubles up to `most`."""
    return tuple(least << n for n in range(most.bit_length()) if least << n <= most)


def limits(model: ModelConfig, grid: Grid) -> tuple[Limits, ...]:
    """The limits to sweep: the product of instances, cores and memory.

    The TOML gives cores and memory where they are missing; its own instances need no limit.
    """
    own = limits_of(model.server)
    memory = [parse_bytes(size, "grid.memory") for size in grid.memory or ()]
    return tuple(
        Limits(cores, size, instances)
        for instances, cores, size in product(
            grid.instances or (None,), grid.cores or (own.cores,), memory or (own.memory_bytes,)
        )
    )


def closed_loop(grid: Grid) -> tuple[Shape, ...]:
    """One closed loop for each number of users; with a duration requests are not counted."""
    requests = None if grid.duration_s is not None else grid.requests
    return tuple(
        Users(users, requests, grid.duration_s, grid.spawn_rate) for users in grid.users or ()
    )


def cold_start(grid: Grid) -> tuple[Shape, ...]:
    """One request to a server that is launched for it."""
    return (Users(1, 1, cold=True),)


def depth(grid: Grid) -> tuple[Shape, ...]:
    """One user whose requests tell how fast the server is at a depth."""
    return (Users(1, grid.requests, depth=True),)


def ramp(grid: Grid) -> tuple[Shape, ...]:
    """One climb through the numbers of users given, if they are three or more that pass 4.

    Otherwise the users double from 1 to 128.
    """
    given = grid.users or ()
    steps = given if len(given) > 2 and max(given) > 4 else tuple(2**n for n in range(8))
    return (Ramp(steps, grid.duration_s or RAMP_STEP_S, grid.spawn_rate),)


def open_loop(grid: Grid) -> tuple[Shape, ...]:
    """Arrivals at each rate, with the grid's distribution."""
    duration_s = grid.duration_s or RATE_CELL_S
    name, _, shape = (grid.arrivals or "poisson").partition(":")
    kind = msgspec.convert(name, ArrivalProcess)
    burstiness = float(shape or 1.0)
    return tuple(
        Arrivals(rate, kind, burstiness, duration_s=duration_s) for rate in grid.rates or ()
    )


def highest_rate(grid: Grid) -> tuple[Shape, ...]:
    """Arrivals at the last rate, from which a search starts: what is too much is soon seen."""
    shorter = msgspec.structs.replace(grid, duration_s=grid.duration_s or TRIAL_S)
    return open_loop(shorter)[-1:]


def most_users(grid: Grid) -> tuple[Shape, ...]:
    """The last number of users, from which a search starts."""
    return closed_loop(grid)[-1:]


def trace(path: str) -> tuple[Shape, ...]:
    """The replay of one file."""
    return (Trace(path),)


def cells(
    model: ModelConfig,
    grid: Grid,
    shapes: Sequence[Shape],
    limits_to_sweep: Iterable[Limits] = (Limits(),),
    traffic: Sequence[Traffic] = (),
) -> tuple[Cell, ...]:
    """The product of limits, caches, what is sent and shapes, in the order in which they will run.

    What is sent is each of `traffic`, or else each pair of lengths.
    """
    sent: list[tuple[int, int, Traffic | None, int]]
    sent = [(0, 0, one, 1) for one in traffic] or lengths_of_requests(model, grid, lengths(grid))
    caches = grid.prefix_cache or (None,)
    schemas = answer_schemas(model, grid, traffic) or (None,)
    images = image_sizes(model, grid, traffic, shapes) or (None,)
    points = tuple(
        Cell(model.name, tokens_in, tokens_out, shape, limit, what, cache, inputs, schema, shown)
        for limit, cache, schema, (tokens_in, tokens_out, what, inputs), shown in product(
            limits_to_sweep, caches, schemas, sent, images
        )
        for shape in _shapes_for(what, shapes)
    )
    if not points:
        raise ConfigError(f"{model.name}: its grid has no cell; give input, output and users")
    return points


def traffic(names: Sequence[str], folder: Path) -> tuple[Traffic, ...]:
    """The traffic of those names: TOML files, or files in `folder` by their stems."""
    return traffic_named(names, folder)


def _shapes_for(traffic: Traffic | None, shapes: Sequence[Shape]) -> Sequence[Shape]:
    """The shapes of the load, or the replay of a file of requests that says when they are due."""
    if isinstance(traffic, Replayed) and is_timed(traffic):
        return (Trace(traffic.file, traffic.speedup),)
    return shapes
