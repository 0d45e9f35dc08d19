"""What runs tell a fit: the figures of their valid closed loops, and how far those scatter."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from llmbench import verdict
from llmbench.cells import Users
from llmbench.config import (
    CommandServer,
    ConfigError,
    DockerServer,
    ModelConfig,
    ProcessServer,
    SimulatedServer,
)
from llmbench.results import CellSummary
from llmbench.store import RunDir
from llmbench.twin.cell_figures import Array, CellFigures
from llmbench.twin.fitting.one_server import check_same_server, slots_it_tells
from llmbench.twin.fitting.scattering import about_means, standard_error
from llmbench.twin.playing import ClosedLoad
from llmbench.value_types import EngineSteps


class Observation(Struct, frozen=True):
    """A cell as it was measured: its loads, and the logarithms of its figures (means of repeats).

    The prompts of a repeat are others than those of the next, and so may be their mean length.
    """

    cell_id: str
    loads: tuple[ClosedLoad, ...]  # of each repeat
    logs: Array  # of `CellFigures`
    scatter: Array  # their standard errors
    repeats: Array  # the logarithms of each repeat: repeats × figures

    @property
    def load(self) -> ClosedLoad:
        """That of the first repeat."""
        return self.loads[0]


class ObservedCells(Struct, frozen=True):
    """The cells of one configuration, and what is known of its engine."""

    name: str
    simulated: bool
    cells: tuple[Observation, ...]
    left_out: int  # repeats that were not valid
    steps: EngineSteps | None  # of a simulated engine: its limits and policy are told
    slots: int | None
    is_llama_cpp: bool = False


def observed(runs: Sequence[RunDir], model: str | None = None) -> ObservedCells:
    """The observations of runs of one server; `model` names one of several configurations.

    A cell of several runs has the repeats of all. `ConfigError` where the runs tell of several
    servers, or of several hosts.
    """
    results = [result for run in runs for result in verdict.results(run)]
    usable = [result for result in results if _load(result.summary) is not None]
    names = sorted({result.summary.cell.config_name for result in usable})
    name = _chosen(names, model, runs)
    check_same_server(runs, name)
    mine = [result for result in usable if result.summary.cell.config_name == name]
    valid = [result.summary for result in mine if result.valid]
    configs = {config.name: config for run in runs for config in run.info().models}
    config = configs.get(mine[0].summary.cell.model)
    slots = slots_it_tells(runs, {summary.cell_id for summary in valid})
    return ObservedCells(
        name,
        any(summary.simulated for summary in valid),
        observations(valid),
        len(mine) - len(valid),
        _told_steps(config),
        slots or _configured_slots(config),
        slots is not None,
    )


def named(runs: Sequence[RunDir]) -> str:
    """The directories in words."""
    return " and ".join(str(run.path) for run in runs)


def _chosen(names: list[str], model: str | None, runs: Sequence[RunDir]) -> str:
    if not names:
        raise ConfigError(
            f"{named(runs)}: no closed loop to fit; run a grid, as in --llm-users 1,2,4,8"
        )
    if model is None and len(names) == 1:
        return names[0]
    if model not in names:
        raise ConfigError(f"{named(runs)}: several servers; give --model {' or '.join(names)}")
    return model


def observations(summaries: Sequence[CellSummary]) -> tuple[Observation, ...]:
    """One observation for each cell that has all figures."""
    repeats: dict[str, list[tuple[ClosedLoad, CellFigures]]] = defaultdict(list)
    for summary in summaries:
        load, figures = _load(summary), _figures(summary)
        if load is not None and figures is not None:
            repeats[summary.cell_id].append((load, figures))
    return means(list(repeats.items()))


def means(
    cells: Sequence[tuple[str, Sequence[tuple[ClosedLoad, CellFigures]]]],
) -> tuple[Observation, ...]:
    """Each cell's mean over its repeats, whose scatter is that of cells with as many users."""
    logs = [np.array([figures.logs for _, figures in repeats]) for _, repeats in cells]
    users = [repeats[0][0].users for _, repeats in cells]
    scatter = about_means(users, logs)
    return tuple(
        Observation(
            cell_id,
            tuple(load for load, _ in repeats),
            of_cell.mean(axis=0),
            standard_error(scatter[of_users], len(of_cell)),
            of_cell,
        )
        for (cell_id, repeats), of_cell, of_users in zip(cells, logs, users, strict=True)
    )


def _load(summary: CellSummary) -> ClosedLoad | None:
    """What the cell's users asked; None for anything but a plain closed loop."""
    cell, shape = summary.cell, summary.cell.shape
    if not isinstance(shape, Users) or shape.cold or shape.is_trial or shape.spawn_rate_per_s:
        return None
    if cell.images is not None:  # whose encoder is no step of the engine
        return None
    asked_in = summary.input_tokens.mean if summary.input_tokens else cell.input_tokens
    asked_out = summary.output_tokens.mean if summary.output_tokens else cell.output_tokens
    return ClosedLoad(
        input_tokens=round(asked_in),
        output_tokens=max(1, round(asked_out)),
        users=shape.users,
        requests=max(1, round(summary.requests / shape.users)),
        warmups=round(summary.warmup / shape.users),
    )


def _figures(summary: CellSummary) -> CellFigures | None:
    """The figures of a repeat, if it has all of them."""
    ttft, per_token = summary.ttft_ms, summary.time_per_token_ms
    if ttft is None or per_token is None or not summary.output_tokens_per_s:
        return None
    return CellFigures(ttft.mean, per_token.mean, summary.output_tokens_per_s)


def _told_steps(config: ModelConfig | None) -> EngineSteps | None:
    server = config.server if config else None
    return server.steps if isinstance(server, SimulatedServer) else None


def _configured_slots(config: ModelConfig | None) -> int | None:
    server = config.server if config else None
    if isinstance(server, ProcessServer | SimulatedServer):
        return server.slots
    if isinstance(server, DockerServer | CommandServer):
        return server.slots if any("{slots}" in word for word in server.command) else None
    return None
