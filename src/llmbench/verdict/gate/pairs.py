"""Compares A with B in one session, interleaved A B B A, so that drift of the host favours neither.

The order cancels a drift that is linear in time: both sides have the same mean position.
"""

from collections.abc import Iterator

from msgspec import structs

from llmbench.store import RunDir
from llmbench.verdict.gate.comparing import Inconclusive, judge_samples
from llmbench.verdict.gate.samples.baselines import Sample, sample_of
from llmbench.verdict.gate.tolerances import parse_tolerances
from llmbench.verdict.gate.verdicts import Verdict


def abba(repeats: int) -> Iterator[tuple[int, bool]]:
    """Each repeat and whether it is A's, in the order A B, B A, A B, …; each side has `repeats`."""
    for repeat in range(1, repeats + 1):
        first = repeat % 2 == 1
        yield repeat, first
        yield repeat, not first


def versus(
    run: RunDir,
    a: str,
    b: str,
    points: tuple[str, ...],
    *,
    tolerance: str | None = None,
    inconclusive: Inconclusive = "pass",
) -> Verdict:
    """Model `b` against model `a`, both measured in `run`, at `points` (ids without the model).

    Their fingerprints differ on purpose and are not compared. Holm's correction is over all
    points and metrics given here.
    """
    whole = sample_of(run)
    sides = (_side(whole, name, points) for name in (a, b))
    return judge_samples(*sides, tolerances=parse_tolerances(tolerance), inconclusive=inconclusive)


def _side(whole: Sample, model: str, points: tuple[str, ...]) -> Sample:
    cells = {
        point: cell for point in points if (cell := whole.cells.get(f"{model}-{point}")) is not None
    }
    return structs.replace(whole, name=model, cells=cells, fingerprint={})
