"""Print how often A against B is wrong with a given number of rounds: ab_error_rates.py [SESSIONS].

A session is 1 or 12 points x 3 metrics (TTFT, time per token, throughput) with --llm-repeats of
4, 6 and 10: so many rounds, in each of which every point has a block on either side. Noise from
block to block is normal in logarithms; 30 % of its variance is shared by all metrics of a block
and another 60 % by the two of decoding. Beside it the host may drift linearly from the session's
first block to its last, or wander (a random walk whose end has the standard deviation given).
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


class Host(NamedTuple):
    """What disturbs a session, in relative terms."""

    noise: float
    drift: float = 0.0
    walk: float = 0.0

    def __str__(self) -> str:
        more = [f"{name} {share:.0%}" for name, share in self._asdict().items() if share]
        return ", ".join(more)


def session(
    random: np.random.Generator, host: Host, points: int, rounds: int, effect: float
) -> list[Pairs]:
    """The pairs of one session; all metrics of the first point are slower by `effect` in B."""
    seed = int(random.integers(2**31))
    opened = tuple(a_opens(seed, number) for number in range(1, rounds + 1))
    values = _noise(random, points, rounds) * host.noise
    blocks = 2 * points * rounds
    path = np.log1p(host.drift) * np.linspace(0, 1, blocks)
    path += np.cumsum(random.standard_normal(blocks)) * host.walk / np.sqrt(blocks)
    in_order = path.reshape(rounds, points, 2).transpose(1, 2, 0)  # point, first or second, round
    values += np.where(opened, in_order, in_order[:, ::-1])[:, None]
    values[0, :, 1] += np.log1p(effect)
    return [
        Pairs(
            cell=f"point{point}",
            metric=METRICS[m],
            old=tuple(values[point, m, 0]),
            new=tuple(values[point, m, 1]),
            tolerance=TOLERANCE[m],
            rounds=tuple(range(1, rounds + 1)),
            a_opened=opened,
        )
        for point in range(points)
        for m in range(3)
    ]


def _noise(random: np.random.Generator, points: int, rounds: int) -> Array:
    """Normal noise of unit variance: point, metric, side, round."""
    size = (points, 2, rounds)
    block, decoding = random.standard_normal(size), random.standard_normal(size)
    own = random.standard_normal((points, 3, 2, rounds))
    share = np.sqrt([0.7, 0.1, 0.1])[:, None, None]
    values = np.sqrt(0.3) * block[:, None] + share * own
    values[:, 1:] += np.sqrt(0.6) * decoding[:, None]
    return np.asarray(values)


def rates(
    host: Host, points: int, rounds: int, effect: float, sessions: int
) -> tuple[float, float]:
    """The share of sessions with any FAIL, and with a FAIL of the first point."""
    random = np.random.default_rng(20261126)
    wrong = caught = 0
    for _ in range(sessions):
        outcomes = decide_pairs(session(random, host, points, rounds, effect))
        failed = {outcome.contrast.cell for outcome in outcomes if outcome.status == "FAIL"}
        wrong += bool(failed)
        caught += "point0" in failed
    return wrong / sessions, caught / sessions


ROWS: tuple[tuple[Host, float], ...] = (
    (Host(0.08), 0.0),
    (Host(0.03), 0.0),
    (Host(0.01, drift=0.2), 0.0),
    (Host(0.01, walk=0.1), 0.0),
    (Host(0.01, drift=0.2), 0.1),
    (Host(0.01, walk=0.1), 0.1),
    (Host(0.03), 0.1),
    (Host(0.08), 0.1),
)


def main() -> None:
    """Print the table."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    start = time.perf_counter()
    print(f"share of {sessions} sessions: any FAIL (B as A), or a FAIL of the slower point")
    shapes = [(points, rounds) for points in (1, 12) for rounds in (4, 6, 10)]
    print(f"{'points x rounds':34}" + "".join(f"{f'{p} x {r}':>9}" for p, r in shapes))
    for host, effect in ROWS:
        shares = [rates(host, p, r, effect, sessions)[1 if effect else 0] for p, r in shapes]
        what = f"one point +{effect:.0%}" if effect else "B as A"
        print(f"{f'{what}; {host}':34}" + "".join(f"{s:9.2%}" for s in shares), flush=True)
    print(f"({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
