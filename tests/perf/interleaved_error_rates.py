"""Print how often A against B errs on a shared runner: interleaved_error_rates.py [SESSIONS [N]].

The runner's speed is simulated at steps of 0.1 s, over a session of one point whose blocks of 2 s
of load (with 0.3 s between) take turns until every figure is decided or 300 s of load are over:
  slow     a random process of 5.5 % that forgets within 30 s (other tenants, frequency)
  fast     one of 4 % that forgets within 1 s
  bursts   a neighbour that comes every 50 s on average, stays 8 s, and takes 10 to 30 %
  drift    10 % from the session's begin to its end, up or down
Together a block's mean has a coefficient of variation of 8 to 9 %, which is printed. Each figure of
a block has noise of its own besides: 3 % (TTFT), 1.5 % (time per token, throughput). Other rows
leave parts out, make the fast part the larger, or let all of it be new in each block (then pairs
have nothing in common, and no method can know more than the blocks say). Only the first N runners
are simulated, if that is given.
"""

import sys
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmbench.verdict.gate.interleaved.block_order import a_opens
from llmbench.verdict.gate.interleaved.deciding import decide_pairs
from llmbench.verdict.gate.interleaved.paired import Pairs

Array = NDArray[np.float64]
METRICS = ("ttft", "time_per_token", "throughput")
TOLERANCE = tuple(float(t) for t in np.log1p((0.05, 0.03, 0.03)))
OWN = np.array((0.03, 0.015, 0.015))
STEP_S, BLOCK_S, GAP_S, LIMIT_S = 0.1, 2.0, 0.3, 300.0
ROUNDS = int(LIMIT_S / (2 * BLOCK_S))
ON, EVERY = 8.0, 50.0


class Runner(NamedTuple):
    """What moves a runner's speed; `white` is new in each block."""

    slow: float = 0.055
    fast: float = 0.04
    bursts: bool = True
    drift: float = 0.10
    white: float = 0.0

    def slowness(self, random: np.random.Generator, steps: int) -> Array:
        """The logarithm of how long a piece of work takes, at each step."""
        ends = self.drift / 2 * random.choice((-1, 1))
        path = np.linspace(-ends, ends, steps)
        path += _forgetting(random, steps, self.slow, 30.0)
        path += _forgetting(random, steps, self.fast, 1.0)
        return path + (_bursts(random, steps) if self.bursts else 0.0)


def _forgetting(random: np.random.Generator, steps: int, spread: float, memory_s: float) -> Array:
    """A stationary process of that standard deviation (Ornstein and Uhlenbeck's)."""
    from scipy.signal import lfilter

    kept = np.exp(-STEP_S / memory_s)
    steps_of = random.standard_normal(steps) * spread
    steps_of[1:] *= np.sqrt(1 - kept**2)
    return np.asarray(lfilter([1.0], [1.0, -kept], steps_of))


def _bursts(random: np.random.Generator, steps: int) -> Array:
    path, at_s = np.zeros(steps), 0.0
    there = random.random() < ON / (ON + EVERY)
    while at_s < steps * STEP_S:
        lasts_s = random.exponential(ON if there else EVERY)
        if there:
            span = slice(int(at_s / STEP_S), int((at_s + lasts_s) / STEP_S))
            path[span] = np.log1p(random.uniform(0.1, 0.3))
        at_s, there = at_s + lasts_s, not there
    return path


def blocks_of(random: np.random.Generator, runner: Runner) -> Array:
    """The logarithm of each block's slowness, in the order of time."""
    turn, load = round((BLOCK_S + GAP_S) / STEP_S), round(BLOCK_S / STEP_S)
    path = runner.slowness(random, 2 * ROUNDS * turn).reshape(2 * ROUNDS, turn)
    blocks = path[:, :load].mean(axis=1)
    return np.asarray(blocks + runner.white * random.standard_normal(blocks.size))


def session(random: np.random.Generator, runner: Runner, effect: float) -> tuple[str, float]:
    """The verdict of one session, and its seconds of load; B is slower by `effect`."""
    seed = int(random.integers(2**31))
    opened = tuple(a_opens(seed, number) for number in range(1, ROUNDS + 1))
    in_order = blocks_of(random, runner).reshape(ROUNDS, 2).T
    values = OWN[:, None, None] * random.standard_normal((3, 2, ROUNDS))
    values += np.where(opened, in_order, in_order[::-1])
    values[:, 1] += np.log1p(effect)
    states: set[str] = set()
    for rounds in range(1, ROUNDS + 1):
        states = {o.status for o in decide_pairs(_first(values, opened, rounds), rounds / ROUNDS)}
        if "INCONCLUSIVE" not in states:
            break
    worst = next(state for state in ("FAIL", "INCONCLUSIVE", "PASS") if state in states)
    return worst, rounds * 2 * BLOCK_S


def _first(values: Array, opened: tuple[bool, ...], rounds: int) -> list[Pairs]:
    return [
        Pairs(
            cell="point",
            metric=METRICS[m],
            old=tuple(values[m, 0, :rounds]),
            new=tuple(values[m, 1, :rounds]),
            tolerance=TOLERANCE[m],
            rounds=tuple(range(1, rounds + 1)),
            a_opened=opened[:rounds],
        )
        for m in range(3)
    ]


class Rates(NamedTuple):
    """Of some sessions: the share of each verdict, and the load that half of them needed."""

    failed: float
    passed: float
    median_load_s: float


def rates(runner: Runner, effect: float, sessions: int) -> Rates:
    """What comes of sessions whose B is slower by `effect`."""
    random = np.random.default_rng(20261126)
    states, loads_s = zip(*(session(random, runner, effect) for _ in range(sessions)), strict=True)
    failed, passed = (states.count(state) / sessions for state in ("FAIL", "PASS"))
    return Rates(failed, passed, float(np.median(loads_s)))


def variation(runner: Runner, sessions: int = 200) -> float:
    """The mean coefficient of variation of a session's blocks."""
    random = np.random.default_rng(1)
    blocks = [np.exp(blocks_of(random, runner)) for _ in range(sessions)]
    return float(np.mean([of.std() / of.mean() for of in blocks]))


RUNNERS = {
    "the runner": Runner(),
    "without bursts": Runner(bursts=False),
    "without drift": Runner(drift=0.0),
    "fast 6 %, slow 4 %": Runner(slow=0.04, fast=0.06),
    "drift of 30 %": Runner(drift=0.3),
    "8 % new in each block": Runner(0.0, 0.0, bursts=False, drift=0.0, white=0.08),
}


def main() -> None:
    """Print the table."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    start = time.perf_counter()
    print(f"{sessions} sessions of one point x 3 metrics: share FAIL, PASS, median s of load")
    effects = (0.0, 0.05, 0.10)
    print(f"{'runner':24}{'CV':>6}" + "".join(f"{f'B slower by {e:.0%}':>26}" for e in effects))
    most = int(sys.argv[2]) if len(sys.argv) > 2 else len(RUNNERS)
    for name, runner in [*RUNNERS.items()][:most]:
        cells = [rates(runner, effect, sessions) for effect in effects]
        shown = "".join(f"{c.failed:12.2%}{c.passed:8.1%}{c.median_load_s:6.0f}" for c in cells)
        print(f"{name:24}{variation(runner):6.1%}{shown}", flush=True)
    print(f"({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
