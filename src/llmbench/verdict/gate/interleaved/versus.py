"""Compares A with B, whose blocks of load took turns in one session: one decision over all."""

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from llmbench.store import RunDir
from llmbench.verdict.gate.comparing import Inconclusive, comparison_of, row_of_counts
from llmbench.verdict.gate.counts import decide_counts
from llmbench.verdict.gate.interleaved.blocks import Blocks, paired
from llmbench.verdict.gate.interleaved.deciding import decide_pairs
from llmbench.verdict.gate.overall import ALL_CELLS
from llmbench.verdict.gate.remarks import faults
from llmbench.verdict.gate.samples.baselines import Sample, sample_of
from llmbench.verdict.gate.tolerances import parse_tolerances
from llmbench.verdict.gate.verdicts import Verdict
from llmbench.verdict.judging import judged_cells


class Interleaving(Struct, frozen=True):
    """How the load of an A/B session took turns.

    `share` is the part of the longest load that was applied when the session ended; None means
    that the number of rounds was given, and that the session is looked at once.
    """

    rounds: int
    load_s: float
    share: float | None = None
    notes: tuple[str, ...] = ()


def pairs_settled(blocks: Blocks, *, share: float, seed: int, tolerance: str | None) -> bool:
    """Whether every gated figure is decided by the blocks so far."""
    outcomes = decide_pairs(paired(blocks, parse_tolerances(tolerance), seed), share)
    return bool(outcomes) and all(outcome.status != "INCONCLUSIVE" for outcome in outcomes)


def versus(
    run: RunDir,
    a: str,
    b: str,
    points: Sequence[str],
    *,
    how: Interleaving,
    tolerance: str | None = None,
    inconclusive: Inconclusive = "pass",
) -> Verdict:
    """Model `b` against model `a`, both measured in `run`, at `points` (ids without the model).

    Their fingerprints differ on purpose and are not compared. The chance of any FAIL where nothing
    changed is that of the gate for all points and metrics together.
    """
    tolerances, info = parse_tolerances(tolerance), run.info()
    results = {cell.cell_id: cell.results for cell in judged_cells(run)}
    blocks = {
        point: (results.get(f"{a}-{point}", ()), results.get(f"{b}-{point}", ()))
        for point in points
    }
    outcomes = decide_pairs(paired(blocks, tolerances, info.seed), how.share)
    rows = [comparison_of(outcome, gating=True) for outcome in outcomes]
    whole = sample_of(run)
    old, new = (_side(whole, name, points) for name in (a, b))
    both = {p: (old.cells[p], new.cells[p]) for p in old.cells if p in new.cells}
    rows += [row_of_counts(outcome) for outcome in decide_counts(both, tolerances)]
    order = [*old.cells, *points, ALL_CELLS]
    return Verdict(
        a,
        b,
        comparisons=tuple(sorted(rows, key=lambda row: order.index(row.cell))),
        faults=tuple(faults(old, new)),
        simulated=whole.simulated,
        notes=(*how.notes, *left_out(blocks)),
        inconclusive=inconclusive,
    )


def _side(whole: Sample, model: str, points: Sequence[str]) -> Sample:
    """The points of one model, each with its classes if it is a mix."""
    cells = {
        name.removeprefix(f"{model}-"): cell
        for point in points
        for name, cell in whole.cells.items()
        if (cell.part_of or name) == f"{model}-{point}"
    }
    return structs.replace(whole, name=model, cells=cells, fingerprint={})


def left_out(blocks: Blocks) -> Iterator[str]:
    """A note for each point of which blocks were INVALID."""
    for point, sides in blocks.items():
        invalid = [block for side in sides for block in side if not block.valid]
        if invalid:
            why = "; ".join(dict.fromkeys(b.why.replace("\n", "; ") for b in invalid))
            what = "block" if len(invalid) == 1 else "blocks"
            their = "its pair" if len(invalid) == 1 else "their pairs"
            yield f"{point}: {len(invalid)} INVALID {what} left out with {their}: {why}"
