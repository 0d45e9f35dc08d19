"""Print how often the gate is wrong: gate_error_rates.py [SESSIONS [TABLE[:ROWS] ...]].

A session is 12 cells x 3 metrics (TTFT, time per token, seconds per output token), a baseline and
a run of equally many repeats; any FAIL is that of a cell or of all cells together. Noise between
repeats is normal in logarithms with the standard deviation given (3 %, 8 %), of which 30 % is
shared by all metrics of a repeat and another 60 % by the two of decoding. Kinds:
  normal   nothing else
  tails    half of the variance is a Student t with 3 degrees of freedom, shared by the metrics
  slow     besides, 5 % of repeats are slower by 10 to 30 % (a noisy neighbour)
  drift    besides, the speed of the host wanders during each session (a random walk whose end has
           the standard deviation given), repeats run in rounds over the cells or cell after cell
Beside the gate: a plain threshold of 5 % on the mean of the repeats for each cell and metric, as
`--benchmark-compare-fail mean:5%` does with the mean of an entry's rounds. pytest-benchmark's own
entry for TTFT has the requests of all repeats as its rounds: its mean is theirs (20 requests a
repeat, each with 10 % noise of its own), and throughput one round for each repeat.

All tables but the last two are of launches that don't differ, and of a gate that is told so
(--llm-launch-allowance 0%); the last are of launches that do (launch_error_rates.py).
"""

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.counts import decide_counts
from llmbench.verdict.gate.decisions import DEFAULT
from llmbench.verdict.gate.overall import decide_session
from llmbench.verdict.gate.samples.baselines import CellSample
from llmbench.verdict.gate.stopping import settled
from llmbench.verdict.gate.tolerances import TOLERANCES

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
CELLS, METRICS = 12, ("ttft", "time_per_token", "throughput")
TOLERANCE = tuple(np.log1p((0.05, 0.03, 0.03)))
REQUESTS, REQUEST_NOISE = 20, 0.10
POLICY = structs.replace(DEFAULT, launch_allowance=0.0)


class Noise(NamedTuple):
    """What disturbs a session, in relative terms."""

    repeat: float
    kind: str = "normal"
    walk: float = 0.0
    rounds: bool = True

    def __str__(self) -> str:
        order = ("rounds" if self.rounds else "cell by cell") if self.walk else ""
        walk = f" {self.walk:.0%}" if self.walk else ""
        return f"{self.repeat:.0%} {self.kind}{walk} {order}".strip()


def draw(random: np.random.Generator, noise: Noise, repeats: int) -> Array:
    """Logarithms of one side of a session: cells x metrics x repeats."""
    size = (CELLS, repeats)
    shared, decoding = random.standard_normal(size), random.standard_normal(size)
    own = random.standard_normal((CELLS, 3, repeats))
    values = np.sqrt(0.3) * shared[:, None, :] + np.sqrt([[[0.7], [0.1], [0.1]]]) * own
    values[:, 1:] += np.sqrt(0.6) * decoding[:, None, :]
    if noise.kind == "tails":
        heavy = random.standard_t(3, size) / np.sqrt(3)
        values = np.sqrt(0.5) * (values + heavy[:, None, :])
    values *= noise.repeat
    if noise.kind == "slow":
        hit = (random.random(size) < 0.05) * np.log1p(random.uniform(0.1, 0.3, size))
        values += hit[:, None, :]
    if noise.walk:
        steps = random.standard_normal(CELLS * repeats) * noise.walk / np.sqrt(CELLS * repeats)
        walk = np.cumsum(steps)
        order = walk.reshape(repeats, CELLS).T if noise.rounds else walk.reshape(CELLS, repeats)
        values += order[:, None, :]
    return np.asarray(values)


def contrasts(old: Array, new: Array) -> list[Contrast]:
    """Both sides of a session as the gate takes them."""
    return [
        Contrast(f"cell{c}", METRICS[m], tuple(old[c, m]), tuple(new[c, m]), TOLERANCE[m])
        for c in range(CELLS)
        for m in range(3)
    ]


def gate(old: Array, new: Array, random: np.random.Generator) -> Mask:
    """Which cells FAIL, and last whether all cells together do."""
    failed = np.array([o.status == "FAIL" for o in decide_session(contrasts(old, new), POLICY)])
    return np.asarray(failed.reshape(CELLS + 1, 3).any(axis=1))


def mean_threshold(old: Array, new: Array, random: np.random.Generator) -> Mask:
    """Which cells have a metric whose mean over the repeats rose by more than 5 %."""
    rose = np.exp(new).mean(axis=-1) / np.exp(old).mean(axis=-1) > 1.05
    return np.asarray(rose.any(axis=1))


def benchmark_compare(old: Array, new: Array, random: np.random.Generator) -> Mask:
    """Which cells ``--benchmark-compare-fail mean:5%`` fails: means over requests, not repeats."""

    def mean(side: Array) -> Array:
        rounds = random.standard_normal((*side.shape, REQUESTS)) * REQUEST_NOISE
        rounds[:, 2] = 0.0  # throughput has one round for each repeat
        return np.asarray(np.exp(side[..., None] + rounds).mean(axis=(-2, -1)))

    return np.asarray((mean(new) / mean(old) > 1.05).any(axis=1))


def sequential(noise: Noise, random: np.random.Generator, effect: float) -> tuple[Mask, float]:
    """Which cells FAIL with 3..12 repeats that stop when they know, and the mean repeats used."""
    old, new = draw(random, noise, 5), draw(random, noise, 12)
    new[0] += np.log1p(effect)
    used = [stop_after(old, new, cell) for cell in range(CELLS)]
    made = [
        structs.replace(c, new=c.new[: used[i // 3]]) for i, c in enumerate(contrasts(old, new))
    ]
    failed = np.array([o.status == "FAIL" for o in decide_session(made, POLICY)])
    return np.asarray(failed.reshape(CELLS + 1, 3).any(axis=1)), float(np.mean(used))


def stop_after(old: Array, new: Array, cell: int) -> int:
    """After how many repeats the cell is decided: knowing only the baseline and itself."""
    mine = [Contrast("cell", METRICS[m], tuple(old[cell, m]), (), TOLERANCE[m]) for m in range(3)]
    spread = {
        name: [tuple(old[c, m]) for c in range(CELLS) if c != cell]
        for m, name in enumerate(METRICS)
    }
    for count in range(3, 12):
        made = [structs.replace(c, new=tuple(new[cell, m, :count])) for m, c in enumerate(mine)]
        if settled(made, spread, cells=CELLS, policy=POLICY):
            return count
    return 12


Rule = Callable[[Array, Array, np.random.Generator], Mask]


def rates(
    rule: Rule,
    noise: Noise,
    sessions: int,
    effect: float = 0.0,
    repeats: int = 5,
    metrics: tuple[int, ...] = (0, 1, 2),
) -> tuple[float, float]:
    """Share of sessions in which an unchanged cell fails, and in which the changed one does."""
    random = np.random.default_rng(20261122)
    wrong = caught = 0
    for _ in range(sessions):
        old, new = draw(random, noise, repeats), draw(random, noise, repeats)
        new[0, list(metrics)] += np.log1p(effect)
        failed = rule(old, new, random)
        wrong += bool(failed.any() and not effect)
        caught += bool(failed[0])
    return wrong / sessions, caught / sessions


AA = (
    Noise(0.03),
    Noise(0.08),
    Noise(0.03, "tails"),
    Noise(0.08, "tails"),
    Noise(0.03, "slow"),
    Noise(0.08, "slow"),
    Noise(0.03, "drift", 0.01),
    Noise(0.03, "drift", 0.01, rounds=False),
    Noise(0.08, "drift", 0.01),
    Noise(0.03, "drift", 0.02),
    Noise(0.03, "drift", 0.02, rounds=False),
)
RULES: tuple[tuple[str, Rule], ...] = (
    ("gate", gate),
    ("mean +5 %", mean_threshold),
    ("mean:5%", benchmark_compare),
)


def unchanged(sessions: int) -> None:
    """Print the share of A/A sessions that fail."""
    print(f"A/A: share of {sessions} sessions (12 cells x 3 metrics, 5 + 5 repeats) with any FAIL")
    print(f"{'noise':32}" + "".join(f"{name:>12}" for name, _ in RULES))
    for noise in AA:
        found = [rates(rule, noise, sessions)[0] for _, rule in RULES]
        print(f"{noise!s:32}" + "".join(f"{share:12.2%}" for share in found), flush=True)


def slower(sessions: int) -> None:
    """Print how often one slower cell is caught."""
    print(f"One cell slower: share of {sessions} sessions in which that cell FAILs")
    print(f"{'slower by, noise':32}" + "".join(f"{name:>12}" for name, _ in RULES))
    cases: list[tuple[str, float, Noise, int, tuple[int, ...]]] = [
        (f"+{effect:.0%} {noise}, {n} repeats", effect, noise, n, (0, 1, 2))
        for effect, n in ((0.10, 5), (0.05, 5), (0.10, 3), (0.05, 10), (0.20, 5))
        for noise in (Noise(0.03), Noise(0.08))
    ]
    cases += [
        ("+10% 3% tails, 5 repeats", 0.10, Noise(0.03, "tails"), 5, (0, 1, 2)),
        ("+10% 3% slow, 5 repeats", 0.10, Noise(0.03, "slow"), 5, (0, 1, 2)),
        ("+10% 3% drift 1%, 5 repeats", 0.10, Noise(0.03, "drift", 0.01, False), 5, (0, 1, 2)),
        ("+10% 3%, time per token only", 0.10, Noise(0.03), 5, (1,)),
        ("+10% 1%, 5 repeats", 0.10, Noise(0.01), 5, (0, 1, 2)),
        ("+5% 1%, 5 repeats", 0.05, Noise(0.01), 5, (0, 1, 2)),
    ]
    for label, effect, noise, repeats, metrics in cases:
        found = [rates(rule, noise, sessions, effect, repeats, metrics)[1] for _, rule in RULES]
        print(f"{label:32}" + "".join(f"{share:12.2%}" for share in found), flush=True)


def stopping(sessions: int) -> None:
    """Print the same for repeats that stop when they know."""
    print(f"Repeats 3..12 that stop when they know, against 5, {sessions} sessions")
    for noise in (Noise(0.03), Noise(0.08)):
        random = np.random.default_rng(20261122)
        plain = [sequential(noise, random, 0.0) for _ in range(sessions)]
        slow = [sequential(noise, random, 0.1) for _ in range(sessions // 4)]
        wrong = np.mean([failed.any() for failed, _ in plain])
        used, caught = np.mean([n for _, n in plain]), np.mean([failed[0] for failed, _ in slow])
        print(f"{noise!s:12} any FAIL {wrong:.2%}, +10 % caught {caught:.1%}, repeats {used:.1f}")


def together(sessions: int) -> None:
    """Print how often a change of all cells is caught: by any row, and by the row over all."""
    print(f"All cells slower, 5 repeats, {sessions} sessions: any FAIL, FAIL of all cells together")
    for noise in (Noise(0.01), Noise(0.03), Noise(0.08), Noise(0.03, "drift", 0.02)):
        for effect in (0.0, 0.025, 0.04, 0.05, 0.10):
            random = np.random.default_rng(20261122)
            failed = []
            for _ in range(sessions):
                old, new = draw(random, noise, 5), draw(random, noise, 5)
                failed.append(gate(old, new + np.log1p(effect), random))
            caught = np.array(failed)
            shares = caught.any(axis=1).mean(), caught[:, -1].mean()
            print(
                f"+{effect:5.1%} {noise!s:22}" + "".join(f"{s:10.2%}" for s in shares), flush=True
            )


def smallest(sessions: int) -> None:
    """Print how often a change of the size that a figure says would be caught is caught."""
    print(f"One metric of one cell slower by what a like session told, {sessions} sessions")
    for noise in (Noise(0.01), Noise(0.03), Noise(0.08)):
        random = np.random.default_rng(20261122)
        sizes, caught = [], 0
        for _ in range(sessions):
            sides = draw(random, noise, 5), draw(random, noise, 5)
            like = decide_session(contrasts(*sides), POLICY)
            old, new = draw(random, noise, 5), draw(random, noise, 5)
            sizes.append(like[0].smallest)
            new[0, 0] += like[0].smallest
            caught += decide_session(contrasts(old, new), POLICY)[0].status == "FAIL"
        told = np.expm1(np.median(sizes))
        print(f"TTFT, {noise!s:12} told {told:+.1%} (median), caught {caught / sessions:.1%}")


def faults(sessions: int) -> None:
    """Print how often the counts are wrong: 12 cells, 500 requests of each on both sides."""
    print(f"Failed requests, 12 cells x 500, {sessions} sessions: any FAIL, FAIL of the cell")
    for share, more in ((0.0, 0.0), (0.002, 0.0), (0.01, 0.0), (0.03, 0.0), (0.0, 0.025)):
        wrong = caught = 0
        random = np.random.default_rng(20261122)
        for _ in range(sessions):
            risk = np.full((2, CELLS), share)
            risk[1, 0] += more
            counts = random.binomial(500, risk)
            sides = [
                [CellSample({}, 0, 1, counts={"failed": [int(bad), 500]}) for bad in side]
                for side in counts
            ]
            pairs = {f"cell{c}": (sides[0][c], sides[1][c]) for c in range(CELLS)}
            failed = [o.cell for o in decide_counts(pairs, TOLERANCES) if o.status == "FAIL"]
            wrong += bool(failed)
            caught += "cell0" in failed
        rates = f"{wrong / sessions:10.2%}{caught / sessions:10.2%}"
        print(f"{share:.1%} before, {share + more:.1%} in one cell now{rates}", flush=True)


def launches(sessions: int, rows: str = "") -> None:
    """Print both where launches of the same server differ, with three of them on each side."""
    from tests.perf import launch_error_rates as table

    table.print_table(table.THREE, sessions, rows)


def one_launch(sessions: int, rows: str = "") -> None:
    """Print both where launches differ and each side has only one."""
    from tests.perf import launch_error_rates as table

    table.print_table(table.ONE, sessions, rows)


TABLES: dict[str, Callable[..., None]] = {
    "unchanged": unchanged,
    "slower": slower,
    "stopping": stopping,
    "together": together,
    "smallest": smallest,
    "faults": faults,
    "launches": launches,
    "one-launch": one_launch,
}


def main() -> None:
    """Print the tables asked for, all by default."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for asked in sys.argv[2:] or TABLES:
        start = time.perf_counter()
        name, _, rows = asked.partition(":")
        TABLES[name](*([sessions, rows] if rows else [sessions]))
        print(f"({time.perf_counter() - start:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
