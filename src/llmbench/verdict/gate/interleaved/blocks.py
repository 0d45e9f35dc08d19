"""Pairs the blocks of two models that were measured in one session, round by round."""

from collections.abc import Iterator, Mapping, Sequence

from llmbench.metrics import certifiable
from llmbench.results import CellResult
from llmbench.verdict.gate.contrasts import logs, tolerated
from llmbench.verdict.gate.interleaved.block_order import a_opens
from llmbench.verdict.gate.interleaved.paired import Pairs
from llmbench.verdict.gate.samples.compared_figures import (
    ADVISORY,
    class_of,
    classes_of,
    compared,
    compared_class,
    part_name,
)

Blocks = Mapping[str, tuple[Sequence[CellResult], Sequence[CellResult]]]
"""The blocks of A and of B for each point; a block is a repeat, whose number is its round."""


def paired(blocks: Blocks, tolerances: Mapping[str, float], seed: int) -> list[Pairs]:
    """The pairs of each point and gated metric; one with an INVALID block is left out whole."""
    return [
        pairs
        for point, (old, new) in blocks.items()
        for pairs in _of_point(point, _valid(old), _valid(new), tolerances, seed)
    ]


def _valid(blocks: Sequence[CellResult]) -> dict[int, CellResult]:
    return {block.summary.repeat: block for block in blocks if block.valid}


def _of_point(
    point: str,
    old: Mapping[int, CellResult],
    new: Mapping[int, CellResult],
    tolerances: Mapping[str, float],
    seed: int,
) -> Iterator[Pairs]:
    rounds = sorted(old.keys() & new.keys())
    summaries = [[side[number].summary for number in rounds] for side in (old, new)]
    whole = [[compared(summary) for summary in side] for side in summaries]
    fewest = min((s.in_window for side in summaries for s in side), default=0)
    yield from _pairs(point, rounds, whole, fewest, tolerances, seed)
    for one in classes_of([*old.values()]):
        figures = [[compared_class(s, one.name) for s in side] for side in summaries]
        parts = [class_of(s, one.name) for side in summaries for s in side]
        fewest = min((part.in_window for part in parts), default=0)
        name = part_name(point, one.name)
        yield from _pairs(name, rounds, figures, fewest, tolerances, seed)


def _pairs(
    point: str,
    rounds: Sequence[int],
    sides: Sequence[Sequence[Mapping[str, float | None]]],
    fewest: int,
    tolerances: Mapping[str, float],
    seed: int,
) -> Iterator[Pairs]:
    """The pairs of each gated metric of a point, or of one class of it."""
    for metric in tolerances:
        if metric in ADVISORY and not certifiable(float(metric.rpartition("_p")[2]), fewest):
            continue
        both = [
            (number, *before, *now)
            for number, a, b in zip(rounds, *sides, strict=True)
            if (before := logs(metric, [a.get(metric)])) and (now := logs(metric, [b.get(metric)]))
        ]
        if both:
            yield Pairs(
                cell=point,
                metric=metric,
                old=tuple(before for _, before, _ in both),
                new=tuple(now for _, _, now in both),
                tolerance=tolerated(metric, tolerances[metric]),
                rounds=tuple(number for number, _, _ in both),
                a_opened=tuple(a_opens(seed, number) for number, _, _ in both),
            )
