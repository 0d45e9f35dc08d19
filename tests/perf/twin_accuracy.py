"""Print how far a twin can be believed: python -m tests.perf.twin_accuracy [ENGINES] [RUN].

Engines are simulated with random costs, policy and limits, in virtual time; their steps jitter by a
tenth, and each repeat drifts by 2 % as hosts do. Each is measured in a grid of 16 cells, two
repeats each, and in three cells that the fit doesn't see. With RUN, the errors of a fit to a
measured run on the cells that it had not seen.
"""

import sys
from pathlib import Path

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from llmbench.store import RunDir
from llmbench.twin.cell_figures import CellFigures, steady, tokens_per_s
from llmbench.twin.cost_fit import Told
from llmbench.twin.fit_of_run import fit_observed, fit_run
from llmbench.twin.foretelling import foretell_users
from llmbench.twin.held_out import HeldOut
from llmbench.twin.observed import ObservedCells, means
from llmbench.twin.playing import COSTS, ClosedLoad, costs_of, with_costs
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
    "do so but were taken to take less for each of many": (False, True),
    "take less for each of many": (True, True),
    "do so but were taken to take as much for each": (True, False),
}
"""Engines in words; a straight line through a curve has other costs than the curve."""

JITTER, DRIFT = 0.1, 0.02
REPEATS = 2


class Trial(Struct, frozen=True):
    """What came of one engine: errors are relative, and `held` says whether an interval did."""

    curved: tuple[bool, bool]  # in truth, and as found
    cost_errors: Array  # COSTS
    costs_held: NDArray[np.bool_]  # COSTS
    figure_errors: Array  # UNSEEN × kinds
    figures_held: NDArray[np.bool_]  # UNSEEN × kinds


def random_engine(random: np.random.Generator) -> EngineSteps:
    """An engine whose batch pays off, as real ones' do.

    Half of them have a cost for one alone, a quarter take less for each sequence of many.
    """
    base_ms, most_sequences = random.uniform(2, 30), int(random.choice((4, 6, 128)))
    is_curved = most_sequences > 4 and random.random() < 0.4  # else nothing could tell the curve
    return EngineSteps(
        base_ms=base_ms,
        ms_per_sequence=base_ms * random.uniform(0.05, 0.5),
        ms_per_context_token=base_ms * random.uniform(0.0003, 0.002),
        ms_per_prompt_token=base_ms * random.uniform(0.02, 0.2),
        policy="mixed" if random.random() < 0.5 else "prefill-first",
        most_sequences=most_sequences,
        alone_ms=base_ms * random.uniform(0.4, 0.9) if random.random() < 0.5 else None,
        sequence_exponent=random.uniform(0.5, 0.9) if is_curved else 1.0,
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
    limits = structs.replace(steps, base_ms=1.0, alone_ms=None, sequence_exponent=1.0)
    fit = fit_observed(ObservedCells("m", True, cells, 0, limits, None), "run", Told())
    truth, found = costs_of(steps), costs_of(fit.twin.steps)
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
        (steps.sequence_exponent != 1, fit.twin.steps.sequence_exponent != 1),
        np.abs(found / truth - 1),
        (fit.intervals[:, 0] <= truth) & (truth <= fit.intervals[:, 1]),
        np.abs(errors).reshape(len(UNSEEN), -1),
        np.array(held).reshape(len(UNSEEN), -1),
    )


def exact_errors(engines: int) -> Array:
    """The errors of the costs where nothing jitters or drifts: engines × COSTS."""
    return np.array([trial(seed, noise=0.0).cost_errors for seed in range(engines)])


def main(engines: int, run: Path | None) -> None:
    exact = 100 * exact_errors(max(5, engines // 5))
    print(f"costs without noise, {len(exact)} engines: worst error {exact.max():.2g} %")
    trials = [trial(1000 + seed) for seed in range(engines)]
    print(f"{engines} engines; steps jitter by {JITTER:.0%}, hosts drift by {DRIFT:.0%}")
    for words, curved in SHAPES.items():
        _tell_costs(words, [one for one in trials if one.curved == curved])
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


def _tell_costs(words: str, trials: list[Trial]) -> None:
    if not trials:
        return
    costs = 100 * np.array([one.cost_errors for one in trials])
    held = np.array([one.costs_held for one in trials])
    print(f"costs of {len(trials)} engines that {words}:")
    for n, name in enumerate(COSTS):
        error = f"median error {np.median(costs[:, n]):4.1f} %"
        print(f"  {name:<22}{error}   90 % interval holds the truth: {held[:, n].mean():.1%}")
    print(f"  all {held.mean():.1%}")


def _tell(words: str, held_out: HeldOut) -> None:
    shares = 100 * held_out.shares
    print(f"{words}: median error {np.median(shares):.1f} %, worst {shares.max():.1f} %")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 40,
        Path(sys.argv[2]) if len(sys.argv) > 2 else None,
    )
