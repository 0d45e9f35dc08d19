"""How often the gate is wrong where launches of the same server differ.

Two tables of gate_error_rates.py: ``python -m tests.perf.gate_error_rates 2000 launches`` and
``one-launch``; ``"launches:8% tails"`` prints the rows of that name.

Sessions are those of that script: 12 cells x 3 metrics, noise of a repeat that the metrics partly
share. Besides, each launch makes all repeats of it faster or slower (normal in logarithms): all
cells alike (common), or each cell in its own way (per cell), of which the metrics share as much as
of the noise. Three launches of two repeats on each side, or one launch of five.
"""

from typing import NamedTuple

import numpy as np
from msgspec import structs

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.overall import decide_session
from tests.perf.gate_error_rates import CELLS, Array, Noise, contrasts, draw


class Design(NamedTuple):
    """How many launches each side has, and how many repeats each of them."""

    launches: int
    repeats: int


class Launches(NamedTuple):
    """How far launches lie apart: the standard deviation, of all cells alike or of each cell."""

    spread: float
    of: str = ""

    def __str__(self) -> str:
        return f"{self.spread:.0%} {self.of}".strip()


THREE, ONE = Design(3, 2), Design(1, 5)
NOISES = tuple(Noise(repeat, kind) for kind in ("normal", "tails") for repeat in (0.01, 0.03, 0.08))
APART = (
    Launches(0.0),
    *(Launches(s, of) for of in ("common", "per cell") for s in (0.01, 0.02, 0.03)),
)
SLOWER = (("one", 0.05), ("one", 0.10), ("one", 0.20), ("all", 0.05), ("all", 0.10), ("all", 0.20))


def side(random: np.random.Generator, noise: Noise, apart: Launches, design: Design) -> Array:
    """Logarithms of one side: cells x metrics x repeats, launch after launch."""
    values = draw(random, noise, design.launches * design.repeats)
    if apart.spread:
        shifts = draw(random, Noise(apart.spread), design.launches)
        if apart.of == "common":
            shifts = np.broadcast_to(shifts[:1], shifts.shape)
        values = values + np.repeat(shifts, design.repeats, axis=2)
    return values


def launched(old: Array, new: Array, design: Design) -> list[Contrast]:
    """Both sides of a session as the gate takes them."""
    launches = tuple(n for n in range(design.launches) for _ in range(design.repeats))
    return [
        structs.replace(c, old_launches=launches, new_launches=launches)
        for c in contrasts(old, new)
    ]


def fails(
    noise: Noise, apart: Launches, design: Design, sessions: int, cells: str = "", effect: float = 0
) -> float:
    """The share of sessions in which something FAILs: any row, or the slower cell's."""
    random = np.random.default_rng(20261126)
    count = 0
    for _ in range(sessions):
        old, new = (side(random, noise, apart, design) for _ in range(2))
        new[: 1 if cells == "one" else CELLS] += np.log1p(effect)
        outcomes = decide_session(launched(old, new, design))
        count += any(o.status == "FAIL" for o in (outcomes[:3] if cells == "one" else outcomes))
    return count / sessions


def print_table(design: Design, sessions: int, rows: str = "") -> None:
    """Print the share of A/A sessions that fail, and beside it what is caught.

    `rows` is in the names of those to print, as in ``8% tails``, ``3% common``; empty: all.
    """
    several = "launches" if design.launches > 1 else "launch"
    print(f"{design.launches} {several} of {design.repeats} repeats on each side.")
    print(
        f"A/A: any FAIL, of {sessions} sessions. One cell, all cells slower: the cell's FAIL, any"
    )
    print(f"FAIL, of {sessions // 20} sessions.")
    heads = "".join(f"{f'{cells} +{effect:.0%}':>10}" for cells, effect in SLOWER)
    print(f"{'noise':12}{'launches':14}{'A/A':>8}{heads}", flush=True)
    for noise in NOISES:
        for apart in (each for each in APART if rows in f"{noise!s} {each!s}"):
            shares = [fails(noise, apart, design, sessions)]
            shares += [fails(noise, apart, design, sessions // 20, *more) for more in SLOWER]
            shown = f"{shares[0]:8.2%}" + "".join(f"{share:10.0%}" for share in shares[1:])
            print(f"{noise!s:12}{apart!s:14}{shown}", flush=True)
