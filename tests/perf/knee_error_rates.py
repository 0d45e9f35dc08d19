"""Print how often the knee is wrong: python -m tests.perf.knee_error_rates [RUNS].

Curves of requests/s over users, each figure with its own normal noise. False: a knee is reported
where there is none (a straight line, or a throughput that is the same at each load). Found: the
knee that is reported is the true one or a neighbour of it in the ladder, of a server that serves
min(users, knee).
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from llmbench.metrics import Point, summarise, table
from llmbench.metrics.capacity.curves import knee
from tests.metrics.making import back_to_back, cell_run

Array = NDArray[np.float64]
LADDERS: dict[str, tuple[int, ...]] = {
    "1, 2, 4, ... 128": tuple(2**n for n in range(8)),
    "1, 2, 4, ... 32": tuple(2**n for n in range(6)),
    "1, 2, 3, ... 8": tuple(range(1, 9)),
    "1, 2, 3, ... 20": tuple(range(1, 21)),
    "1, 10, 20, ... 100": (1, *range(10, 101, 10)),
    "1, 4, 16, 64": (1, 4, 16, 64),
}
BLANK = summarise(cell_run(), table(back_to_back(1)))


def reported(users: Array, rates: Array) -> float | None:
    """The load of the knee that a curve shows."""
    found = knee(
        [
            Point(load, structs.replace(BLANK, requests_per_s=rate))
            for load, rate in zip(users.tolist(), rates.tolist(), strict=True)
        ]
    )
    return None if found is None else found.load


def knees(
    ladder: tuple[int, ...], rate: Callable[[Array], Array], noise: float, runs: int
) -> Iterator[float | None]:
    """What `runs` noisy measurements of a server report as its knee."""
    random, users = np.random.default_rng(20261122), np.array(ladder, dtype=np.float64)
    for _ in range(runs):
        yield reported(users, rate(users) * (1 + noise * random.standard_normal(users.size)))


def false_alarms(ladder: tuple[int, ...], noise: float, runs: int, *, flat: bool = False) -> float:
    """The share of runs in which a straight line (or a flat one) shows a knee."""

    def rate(users: Array) -> Array:
        return np.ones_like(users) if flat else users

    return sum(k is not None for k in knees(ladder, rate, noise, runs)) / runs


def found(ladder: tuple[int, ...], place: int, noise: float, runs: int) -> float:
    """The share of runs in which a knee at the ladder's `place` is found within one step."""

    def rate(users: Array) -> Array:
        return np.minimum(users, float(ladder[place]))

    near = ladder[place - 1 : place + 2]
    return sum(k in near for k in knees(ladder, rate, noise, runs)) / runs


def real(ladder: tuple[int, ...]) -> list[int]:
    """The places of knees between a twentieth and half of the highest load."""
    top = ladder[-1]
    return [k for k in range(1, len(ladder) - 1) if top / 20 <= ladder[k] <= top / 2]


def main() -> None:
    """Print both error rates for each ladder."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{runs} runs of each; false: a knee where there is none; found: within one step, 3 %")
    print(f"{'users':20}{'line .5 %':>10}{'line 3 %':>10}{'flat 3 %':>10}  knee: found")
    for name, ladder in LADDERS.items():
        wrong = [false_alarms(ladder, noise, runs) for noise in (0.005, 0.03)]
        wrong.append(false_alarms(ladder, 0.03, runs, flat=True))
        text = "".join(f"{share:10.1%}" for share in wrong)
        for place in real(ladder):
            text += f"  {ladder[place]}: {found(ladder, place, 0.03, runs):.1%}"
        print(f"{name:20}{text}", flush=True)


if __name__ == "__main__":
    main()
