"""Blocks of two models become pairs, round by round."""

from msgspec import structs

from llmbench.metrics import summarise, table
from llmbench.results import CellResult, Problem
from llmbench.verdict.gate.interleaved.blocks import paired
from llmbench.verdict.gate.interleaved.versus import left_out
from llmbench.verdict.gate.tolerances import TOLERANCES
from tests.metrics.making import back_to_back, cell_run

SUMMARY = summarise(cell_run(), table(back_to_back(5)))


def block(number: int, *, why: str | None = None) -> CellResult:
    problems = () if why is None else (Problem("client_lag", why),)
    return CellResult(structs.replace(SUMMARY, repeat=number), problems)


def test_a_block_is_paired_with_that_of_the_same_round() -> None:
    blocks = {"point": ([block(1), block(2)], [block(2), block(3)])}
    pairs = paired(blocks, TOLERANCES, seed=1)
    assert {of.rounds for of in pairs} == {(2,)}


def test_an_invalid_block_takes_its_pair_with_it_and_is_told() -> None:
    blocks = {"point": ([block(1), block(2)], [block(1, why="starved"), block(2)])}
    assert {of.rounds for of in paired(blocks, TOLERANCES, seed=1)} == {(2,)}
    assert list(left_out(blocks)) == ["point: 1 INVALID block left out with its pair: starved"]


def test_percentiles_that_so_few_requests_cannot_certify_are_not_compared() -> None:
    pairs = paired({"point": ([block(1)], [block(1)])}, TOLERANCES, seed=1)
    assert [of.metric for of in pairs] == ["ttft", "time_per_token", "throughput"]


def test_a_metric_that_one_side_does_not_know_is_not_compared() -> None:
    unknown = CellResult(structs.replace(SUMMARY, repeat=1, ttft_ms=None))
    pairs = paired({"point": ([block(1)], [unknown])}, TOLERANCES, seed=1)
    assert [of.metric for of in pairs] == ["time_per_token", "throughput"]
