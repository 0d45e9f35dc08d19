"""Pairs the blocks of two models that were measured in one session, round by round."""

from collections.abc import Iterator, Mapping, Sequence

from llmbench.metrics import certifiable
from llmbench.results import CellResult
from llmbench.verdict.gate.contrasts import logs, tolerated
from llmbench.verdict.gate.interleaved.block_order import a_opens
from llmbench.verdict.gate.interleaved.paired import Pairs
from llmbench.verdict.gate.samples.baselines import ADVISORY, compared

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
    sides = [[compared(side[number].summary) for number in rounds] for side in (old, new)]
    fewest = min((b.summary.in_window for b in (*old.values(), *new.values())), default=0)
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
