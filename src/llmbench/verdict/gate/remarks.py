"""What a verdict says beside its rows: cells that can't be compared, and notes on the samples."""

from collections.abc import Iterator, Sequence
from math import log1p

from llmbench.verdict.gate.contrasts import unknown_metrics
from llmbench.verdict.gate.decisions import Decision, Policy
from llmbench.verdict.gate.overall import ALL_CELLS
from llmbench.verdict.gate.samples.baselines import VERSION, Sample
from llmbench.verdict.gate.verdicts import CellFault, Comparison


def faults(old: Sample, new: Sample) -> list[CellFault]:
    """Faults of cells: on one side only, without a valid repeat, or no longer sustained."""
    found: list[CellFault] = []
    for cell in dict.fromkeys((*old.cells, *new.cells)):
        whole = (new.cells.get(cell) or old.cells[cell]).part_of
        if whole in [fault.cell for fault in found]:
            continue  # a class has no fault of its own where its cell has one
        if cell not in new.cells:
            text = (
                f"in baseline {old.name} and not in this run: measure it, or store a new baseline"
            )
            found.append(CellFault(cell, "MISSING", text))
        elif cell not in old.cells:
            text = f"not in baseline {old.name}: store a new baseline that holds it"
            found.append(CellFault(cell, "MISSING", text))
        elif not new.cells[cell].repeats:
            found.append(CellFault(cell, "INVALID", new.cells[cell].why))
        elif not old.cells[cell].repeats:
            found.append(CellFault(cell, "INVALID", f"in {old.name}: {old.cells[cell].why}"))
        elif new.cells[cell].overloaded > old.cells[cell].overloaded == 0:
            times = f"in {new.cells[cell].overloaded} of {new.cells[cell].repeats} repeats"
            text = f"the server could not sustain the rate {times}; in {old.name} it could"
            found.append(CellFault(cell, "OVERLOADED", text))
        else:
            found += [
                CellFault(cell, "MISSING", f"{metric} is known in {old.name} and not in this run")
                for metric in unknown_metrics(old.cells[cell], new.cells[cell])
            ]
    return found


def notes(old: Sample, new: Sample, cells: Sequence[str], policy: Policy) -> list[str]:
    """What a reader has to know about the samples: what is left out, and what they can't show."""
    found = []
    for cell in cells:
        for side, measured in ((old.name, old.cells[cell]), (new.name, new.cells[cell])):
            if measured.invalid and measured.repeats and not measured.part_of:
                found.append(
                    f"{cell}: {measured.invalid} INVALID repeats of {side} left out: {measured.why}"
                )
    found += [
        f"{side.name} was stored by pytest-llmbench 0.1.0, which counted no failed or dropped "
        "requests and no lengths of outputs: store it again to gate them"
        for side in (old, new)
        if side.version < VERSION
    ]
    both = [min(old.cells[cell].repeats, new.cells[cell].repeats) for cell in cells]
    if any(0 < repeats < policy.least_repeats for repeats in both):
        files = "tool" in new.fingerprint  # each is a repeat
        more = "give five files for each side" if files else "use --llm-repeats 5 on both sides"
        found.append(
            f"low power: fewer than {policy.least_repeats} repeats of some cells, so their "
            f"interval rests on the noise of the others; {more}"
        )
    return found + list(_one_launch(old, new, cells, policy))


def _one_launch(old: Sample, new: Sample, cells: Sequence[str], policy: Policy) -> Iterator[str]:
    """A note on the sides that can't show how far launches of the same server lie apart."""
    lone = [
        side.name
        for side in (old, new)
        if any(len({*side.cells[cell].launches}) < 2 for cell in cells if side.cells[cell].repeats)
    ]
    if lone and policy.launch_allowance:
        rest = (
            f"{lone[0]} rests on one launch" if len(lone) == 1 else "each side rests on one launch"
        )
        measured = "--llm-launches 3 on both sides measures it"
        if "tool" in new.fingerprint:
            measured = "--launch-per-file says that each file's server was launched for it"
        yield (
            f"{rest}, which can't show how far launches of the same server lie apart: no change "
            f"FAILs that launches with a standard deviation of {policy.launch_allowance:.0%} "
            f"explain (--llm-launch-allowance); {measured}"
        )


def common(rows: Sequence[Comparison], policy: Policy) -> Iterator[str]:
    """A note for each change of all cells that is certain, tolerated, and not put on the host."""
    for row in rows:
        sign = 1 if row.limit > 0 else -1
        certain = min(sign * row.low, sign * row.high) > 0
        more = sign * log1p(row.change) > log1p(policy.shared_drift)
        if row.cell == ALL_CELLS and row.state == "PASS" and certain and more:
            yield (
                f"{row.metric} is worse by {row.change:+.1%} ({row.low:+.1%} to {row.high:+.1%}) "
                f"over all cells together: within the limit of {row.limit:+.0%}, and more than a "
                f"host's speed explains ({policy.shared_drift:.0%})"
            )


def disturbed(outcomes: Sequence[Decision], old: Sample, new: Sample) -> Iterator[str]:
    """A note for each cell and side whose repeats were partly set aside."""
    for place, side in enumerate((old, new)):
        most: dict[str, int] = {}
        for outcome in outcomes:
            cell = outcome.contrast.cell
            most[cell] = max(most.get(cell, 0), outcome.disturbed[place])
        for cell, count in most.items():
            if count:
                yield (
                    f"{cell}: {count} of {side.cells[cell].repeats} repeats of {side.name} far "
                    "slower than the others set aside: something else ran on the host, or the "
                    "server stalls at times"
                )
