"""The classes of a mix in the verdict: limits of their own, and rows of their own in the gate."""

from pathlib import Path

from msgspec import structs

from llmbench.value_types import Slo
from llmbench.verdict.gate.comparing import compare, decided
from llmbench.verdict.gate.interleaved.blocks import paired
from llmbench.verdict.gate.samples.baselines import sample_of, save_baseline
from llmbench.verdict.gate.tolerances import TOLERANCES
from llmbench.verdict.judging import results
from tests.metrics.mixing import ID, mixed_run


def test_a_class_is_judged_by_its_own_limits_and_else_by_the_models(tmp_path: Path) -> None:
    slo = Slo(ttft_ms={"p50": 70})
    (result,) = results(mixed_run(tmp_path, repeats=1, slo=slo))
    assert [miss.message for miss in result.slo_misses] == [
        "class long: TTFT p50 90.9 ms, limit 70 ms (n = 6): over by 29.9%"
    ]
    short, long = result.summary.classes
    assert (short.goodput, long.goodput, result.summary.goodput) == (1.0, 0.0, 0.5)


def test_too_few_requests_of_a_class_leave_its_limit_open(tmp_path: Path) -> None:
    (result,) = results(mixed_run(tmp_path, repeats=1))
    assert [limit.message for limit in result.slo_undecided] == [
        "class short: p50 TTFT: not enough requests to tell (6 of 7) whether its limit of 60 ms is"
        " met"
    ]


def test_the_times_of_a_mix_are_gated_class_by_class(tmp_path: Path) -> None:
    cells = sample_of(mixed_run(tmp_path)).cells
    assert list(cells) == [ID, f"{ID}:short", f"{ID}:long"]
    whole, short, _ = cells.values()
    assert list(whole.metrics) == ["throughput"] and whole.counts == {}
    assert short.metrics["ttft"] == [50.5, 51, 50, 50.5, 51]
    assert short.counts["failed"] == [0, 30]
    assert (short.part_of, short.requests) == (ID, 6)


def test_a_class_that_got_slower_fails_by_its_name(tmp_path: Path) -> None:
    old, new = mixed_run(tmp_path / "old"), mixed_run(tmp_path / "new", long_ms=120)
    verdict = compare(old.path, new.path)
    failed = {(row.cell, row.metric) for row in verdict.regressions}
    assert (f"{ID}:long", "ttft") in failed
    assert not any(cell == f"{ID}:short" for cell, _ in failed)
    assert {row.cell for row in verdict.of(ID).comparisons} == {ID, f"{ID}:short", f"{ID}:long"}


def test_a_mix_that_is_missing_is_one_fault(tmp_path: Path) -> None:
    old, new = mixed_run(tmp_path / "old"), mixed_run(tmp_path / "new", repeats=0)
    assert [fault.cell for fault in compare(old.path, new.path).faults] == [ID]


def test_repeats_stop_once_every_class_is_decided(tmp_path: Path) -> None:
    save_baseline(tmp_path, "main", mixed_run(tmp_path / "old", repeats=12))
    same = results(mixed_run(tmp_path / "same", repeats=6))
    near = results(mixed_run(tmp_path / "near", repeats=6, long_ms=90 * 1.05))
    assert decided(tmp_path, "main", same, cells=3, launch_allowance="0%")
    assert not decided(tmp_path, "main", near, cells=3, launch_allowance="0%")


def test_the_classes_of_two_models_are_paired(tmp_path: Path) -> None:
    (block,) = results(mixed_run(tmp_path, repeats=1))
    summaries = [structs.replace(block.summary, repeat=number) for number in (1, 2)]
    blocks = [structs.replace(block, summary=summary) for summary in summaries]
    pairs = paired({"point": (blocks, blocks)}, TOLERANCES, seed=1)
    assert [(of.cell, of.metric) for of in pairs] == [
        ("point", "throughput"),
        ("point:short", "ttft"),
        ("point:short", "time_per_token"),
        ("point:long", "ttft"),
        ("point:long", "time_per_token"),
    ]
