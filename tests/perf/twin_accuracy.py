"""Print how far a twin can be believed: python -m tests.perf.twin_accuracy [ENGINES] [RUN [OTHER]].

Engines are simulated with random costs, policy and limits, in virtual time; their steps jitter by a
tenth, and each repeat drifts by 2 % as hosts do. Each is measured in a grid of 16 cells, two
repeats each, and in three cells that the fit doesn't see. With RUN, the errors of a fit to a
measured run on the cells that it had not seen; with OTHER, how many of the figures of that run's
repeats its intervals hold.
"""

import sys
from pathlib import Path

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from llmbench.store import RunDir
from llmbench.twin.cell_figures import CellFigures, steady, tokens_per_s
from llmbench.twin.fitting.engine_search import Told
from llmbench.twin.fitting.fit_of_run import fit_observed, fit_run
from llmbench.twin.fitting.held_out import HeldOut
from llmbench.twin.fitting.observed import ObservedCells, means, observed
from llmbench.twin.foretelling import foretell_users
from llmbench.twin.playing import ClosedLoad
from llmbench.twin.step_costs import costs_of, with_costs
from llmbench.twin.twin_file import Twin
from llmbench.value_types import EngineSteps
from tests.twin.virtual_run import GRID, VirtualUsers

Array = NDArray[np.float64]
UNSEEN = (
    ClosedLoad(64, 32, 3, requests=4),
    ClosedLoad(100, 48, 6, requests=4),
    ClosedLoad(40, 20, 8, requests=4),
)
SHAPES = {
    "take as much for each sequence": (False, False),
    "do so, but were taken to have a time for each number": (False, True),
    "have a time for each number of sequences": (True, True),
    "have one, but were taken to take as much for each sequence": (True, False),
}
"""Engines in words; a line through times that lie on none has costs that no truth knows."""

TOKEN_COSTS = ("ms_per_context_token", "ms_per_prompt_token")

JITTER, DRIFT = 0.1, 0.02
REPEATS = 2


class Trial(Struct, frozen=True):
    """What came of one engine: errors are relative, and `held` says whether an interval did."""

    shape: tuple[bool, bool]  # whether numbers of sequences have times: in truth, and as found
    costs: tuple[str, ...]  # those found whose truth is known
    cost_errors: Array  # costs
    costs_held: NDArray[np.bool_]  # costs
    figure_errors: Array  # UNSEEN × kinds
    figures_held: NDArray[np.bool_]  # UNSEEN × kinds


def random_engine(random: np.random.Generator) -> EngineSteps:
    """An engine whose batch pays off, as real ones' do.

    Half of them have a time for each number of sequences that steps of the grid's cells hold.
    """
    base_ms, most_sequences = random.uniform(2, 30), int(random.choice((4, 6, 128)))
    numbers = sorted({min(users, most_sequences) for users in (1, 2, 4, 8)})
    each_ms = base_ms * random.uniform(0.05, 0.5)
    gains = np.diff(numbers) * each_ms * random.uniform(0.2, 2.0, len(numbers) - 1)
    first_ms = base_ms * random.uniform(0.4, 1.2)
    times = zip(numbers, np.cumsum([first_ms, *gains]).tolist(), strict=True)
    is_line = random.random() < 0.5
    return EngineSteps(
        base_ms=base_ms if is_line else 0.0,
        ms_per_sequence=each_ms if is_line else 0.0,
        batch_times_ms=() if is_line else tuple(times),
        ms_per_context_token=base_ms * random.uniform(0.0003, 0.002),
        ms_per_prompt_token=base_ms * random.uniform(0.02, 0.2),
        policy="mixed" if random.random() < 0.5 else "prefill-first",
        most_sequences=most_sequences,
    )


def measured(
    random: np.random.Generator, steps: EngineSteps, load: ClosedLoad, noise: float = 1.0
) -> CellFigures:
    """A repeat of a cell."""
    drifted = with_costs(steps, costs_of(steps) * np.exp(random.normal(0, noise * DRIFT)))
    seed = int(random.integers(2**31))
    records = VirtualUsers(drifted, load, jitter=noise * JITTER, seed=seed).records()
    rows = [
        (one.user, one.sent_ns or 0, one.first_token_ns or 0, one.last_token_ns or 0)
        for one in records
        if one.phase == "measured"
    ]
    user, sent, first, last = np.array(rows, dtype=np.int64).T
    sent_ms, first_ms, last_ms = ((times - sent.min()) / 1e6 for times in (sent, first, last))
    window = steady(sent_ms, last_ms, user.astype(np.float64))
    inside = (sent_ms >= window[0]) & (sent_ms < window[1])
    return CellFigures(
        float((first_ms - sent_ms)[inside].mean()),
        float((last_ms - first_ms)[inside].mean()) / (load.output_tokens - 1),
        tokens_per_s(first_ms, last_ms, window, load.output_tokens),
    )


def true_costs(truth: EngineSteps, found: EngineSteps) -> Array:
    """The truth of each cost that was found; not a number for those of a line where there is none.

    Batch times are those of the numbers of sequences that were found.
    """
    tokens = [getattr(truth, name) for name in TOKEN_COSTS]
    if found.batch_times_ms:
        return np.array([truth.batch_ms(n) for n, _ in found.batch_times_ms] + tokens)
    return np.array([np.nan, np.nan, *tokens]) if truth.batch_times_ms else costs_of(truth)


def cost_names(steps: EngineSteps) -> tuple[str, ...]:
    """The fields of an engine's costs, in the order of `costs_of`."""
    line = ("base_ms", "ms_per_sequence")
    return (*(("batch_times_ms",) * len(steps.batch_times_ms) or line), *TOKEN_COSTS)


def trial(seed: int, noise: float = 1.0) -> Trial:
    """Fit a random engine, and compare costs and unseen cells with the truth."""
    random = np.random.default_rng(seed)
    steps = random_engine(random)
    cells = means(
        [
            (str(n), [(load, measured(random, steps, load, noise)) for _ in range(REPEATS)])
            for n, load in enumerate(GRID)
        ]
    )
    fit = fit_observed(ObservedCells("m", True, cells, 0, steps, None), "run", Told())
    truth, found = true_costs(steps, fit.twin.steps), costs_of(fit.twin.steps)
    known, names = ~np.isnan(truth), cost_names(fit.twin.steps)
    held, errors = [], []
    for load in UNSEEN:
        figures = structs.astuple(measured(random, steps, load, noise))
        told = foretell_users(
            fit.twin, load.input_tokens, load.output_tokens, load.users, load.requests
        )
        intervals = (told.ttft_ms, told.time_per_token_ms, told.output_tokens_per_s)
        for figure, interval in zip(figures, intervals, strict=True):
            assert interval is not None
            held.append(interval.low <= figure <= interval.high)
            errors.append(interval.value / figure - 1)
    return Trial(
        (bool(steps.batch_times_ms), bool(fit.twin.steps.batch_times_ms)),
        tuple(name for name, is_known in zip(names, known, strict=True) if is_known),
        np.abs(found / truth - 1)[known],
        ((fit.intervals[:, 0] <= truth) & (truth <= fit.intervals[:, 1]))[known],
        np.abs(errors).reshape(len(UNSEEN), -1),
        np.array(held).reshape(len(UNSEEN), -1),
    )


def exact_errors(engines: int) -> Array:
    """The errors of all costs of the engines, where nothing jitters or drifts."""
    return np.concatenate([trial(seed, noise=0.0).cost_errors for seed in range(engines)])


def held_of(twin: Twin, other: ObservedCells) -> NDArray[np.bool_]:
    """Which figures of another run's repeats lie in a twin's intervals: repeats × kinds."""
    held = []
    for cell in other.cells:
        for load, logs in zip(cell.loads, cell.repeats, strict=True):
            told = foretell_users(
                twin, load.input_tokens, load.output_tokens, load.users, load.requests
            )
            intervals = (told.ttft_ms, told.time_per_token_ms, told.output_tokens_per_s)
            ends = np.array([(one.low, one.high) for one in intervals if one is not None])
            held.append((ends[:, 0] <= np.exp(logs)) & (np.exp(logs) <= ends[:, 1]))
    return np.array(held)


def main(engines: int, run: Path | None, other: Path | None) -> None:
    few = max(5, engines // 5)
    print(f"costs without noise, {few} engines: worst error {100 * exact_errors(few).max():.2g} %")
    trials = [trial(1000 + seed) for seed in range(engines)]
    print(f"{engines} engines; steps jitter by {JITTER:.0%}, hosts drift by {DRIFT:.0%}")
    for words, shape in SHAPES.items():
        _tell_costs(words, [one for one in trials if one.shape == shape])
    figures = 100 * np.array([one.figure_errors for one in trials])
    inside = np.array([one.figures_held for one in trials])
    print(f"unseen cells: median error {np.median(figures):.1f} %, worst {figures.max():.1f} %")
    for n, name in enumerate(CellFigures.__struct_fields__):
        print(f"  {name:<22}90 % interval holds the measurement: {inside[:, :, n].mean():.1%}")
    print(f"all figures {inside.mean():.1%} (asked: 85 % to 95 %)")
    if run is not None:
        fit = fit_run(RunDir.open(run))
        _tell("one cell out", fit.one_out)
        if fit.highest_load is not None:
            _tell("highest load out", fit.highest_load)
        if other is not None:
            held = held_of(fit.twin, observed([RunDir.open(other)]))
            print(
                f"90 % intervals hold {held.mean():.1%} of the {held.size} figures of {other.name}"
            )


def _tell_costs(words: str, trials: list[Trial]) -> None:
    if not trials:
        return
    names = np.array([name for one in trials for name in one.costs])
    costs = 100 * np.concatenate([one.cost_errors for one in trials])
    held = np.concatenate([one.costs_held for one in trials])
    print(f"costs of {len(trials)} engines that {words}:")
    for name in dict.fromkeys(names):
        error = f"median error {np.median(costs[names == name]):4.1f} %"
        share = f"90 % interval holds the truth: {held[names == name].mean():.1%}"
        print(f"  {name:<22}{error}   {share}")
    print(f"  all {held.mean():.1%}")


def _tell(words: str, held_out: HeldOut) -> None:
    shares = 100 * held_out.shares
    print(f"{words}: median error {np.median(shares):.1f} %, worst {shares.max():.1f} %")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 40,
        *(*map(Path, sys.argv[2:]), None, None)[:2],
    )
