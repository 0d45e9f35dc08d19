"""The gate on measured runs: verdicts, faults, refusals, and every line it prints."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from llmbench.config import ConfigError
from llmbench.verdict.gate import comparing
from llmbench.verdict.gate.decisions import Policy
from llmbench.verdict.gate.samples.baselines import (
    CellSample,
    Sample,
    load_baseline,
    read_baseline,
    render,
)
from llmbench.verdict.gate.tolerances import parse_allowance, parse_tolerances
from llmbench.verdict.gate.verdicts import Verdict
from llmbench.verdict.gate.wording import lines, markdown, to_json

SPREAD = (0.99, 0.995, 1.0, 1.005, 1.01)


def cell(
    ttft: float = 50.0, token: float = 20.0, rate: float = 200.0, repeats: int = 5, **fields: Any
) -> CellSample:
    values = {"ttft": ttft, "time_per_token": token, "throughput": rate, "ttft_p99": 2 * ttft}
    return CellSample(
        {name: [v * factor for factor in SPREAD[:repeats]] for name, v in values.items()},
        requests=20,
        repeats=repeats,
        advisory=["ttft_p95", "ttft_p99", "time_per_token_p95", "time_per_token_p99"],
        **fields,
    )


def measured(
    name: str = "main",
    fingerprint: dict[str, str] | None = None,
    simulated: bool = False,
    **cells: CellSample,
) -> Sample:
    return Sample(
        name, "2026-11-22T12:00:00Z", "abc", simulated, fingerprint or {"host.cpu": "x"}, cells
    )


def of_cells(name: str, cells: dict[str, CellSample]) -> Sample:
    return structs.replace(measured(name), cells=cells)


def judge_samples(old: Sample, new: Sample, **how: Any) -> Verdict:
    """The verdict where launches don't differ: test_launches.py is about those that do."""
    return comparing.judge_samples(old, new, policy=Policy(launch_allowance=0.0), **how)


def test_an_equal_run_passes() -> None:
    verdict = judge_samples(measured(a=cell(), b=cell()), measured("now", a=cell(), b=cell()))
    assert (verdict.state, verdict.failed) == ("PASS", False)
    assert lines(verdict) == ["PASS: now against main: 0 FAIL, 0 INCONCLUSIVE, 9 PASS"]


def test_a_regression_is_one_line_with_all_that_matters() -> None:
    verdict = judge_samples(measured(a=cell()), measured("now", a=cell(ttft=60.0)))
    assert (verdict.state, verdict.failed) == ("FAIL", True)
    assert lines(verdict) == [
        "FAIL: now against main: 1 FAIL, 0 INCONCLUSIVE, 2 PASS",
        "FAIL a ttft: 50 -> 60 ms, +20.0% (+18.8% to +21.2%), limit +5%, +6.5% would be caught",
    ]


def test_falling_throughput_is_the_regression() -> None:
    verdict = judge_samples(measured(a=cell()), measured("now", a=cell(rate=160.0)))
    assert lines(verdict)[1:] == [
        "FAIL a throughput: 200 -> 160 tokens/s, -20.0% (-20.8% to -19.2%), limit -3%, "
        "-4.3% would be caught"
    ]


def test_rising_throughput_passes() -> None:
    assert judge_samples(measured(a=cell()), measured("now", a=cell(rate=300.0))).state == "PASS"


def test_an_inconclusive_gate_is_green_and_says_what_it_would_take() -> None:
    loud = cell()
    loud.metrics["ttft"] = [40.0, 45.0, 52.0, 58.0, 66.0]
    verdict = judge_samples(measured(a=cell()), measured("now", a=loud))
    assert (verdict.state, verdict.failed) == ("INCONCLUSIVE", False)
    (line,) = lines(verdict)[1:]
    assert line.startswith("INCONCLUSIVE a ttft: 50 -> 52 ms, +4.0% (-10.9% to +17.2%), ")
    assert line.endswith(
        "limit +5%, +61.5% would be caught; "
        "no number of repeats up to 100 would tell: it lies at the limit"
    )


def loud_and_slower() -> CellSample:
    found = cell()
    found.metrics["ttft"] = [45.0, 52.0, 58.0, 66.0, 70.0]
    return found


def test_a_change_beyond_the_limit_is_shouted_though_it_is_not_red() -> None:
    verdict = judge_samples(measured(a=cell()), measured("now", a=loud_and_slower()))
    headline, line, *_ = lines(verdict)
    assert headline == (
        "INCONCLUSIVE: now against main: 0 FAIL, 1 INCONCLUSIVE (1 BEYOND THE LIMIT), 2 PASS"
    )
    assert line.startswith("INCONCLUSIVE, BEYOND THE LIMIT a ttft: 50 -> 58 ms, +16.0% (")
    assert not verdict.failed
    assert "| INCONCLUSIVE **beyond the limit** | `a` | ttft |" in markdown(verdict)


def test_inconclusive_can_be_made_to_fail() -> None:
    old, new = measured(a=cell()), measured("now", a=loud_and_slower())
    verdict = judge_samples(old, new, inconclusive="fail")
    assert (verdict.state, verdict.failed, verdict.of("a").failed) == ("INCONCLUSIVE", True, True)
    assert "1 INCONCLUSIVE (1 BEYOND THE LIMIT), which fails as asked," in lines(verdict)[0]
    assert not judge_samples(old, measured("now", a=cell()), inconclusive="fail").failed


COUNTS = {
    "failed": [0, 500],
    "dropped": [0, 500],
    "resent": [0, 500],
    "off_length": [0, 500],
}


def counted(**changed: list[int]) -> CellSample:
    return structs.replace(cell(), counts=COUNTS | changed)


def test_more_failures_are_a_regression() -> None:
    """0 to 2.4 % of the requests: each repeat is valid, and its times are as before."""
    verdict = judge_samples(measured(a=counted()), measured("now", a=counted(failed=[12, 500])))
    assert [row.metric for row in verdict.regressions] == ["failed"]
    assert lines(verdict)[1] == (
        "FAIL a failed: 0 of 500 -> 12 of 500 requests failed, +2.4 points "
        "(+1.6 points to +3.4 points), limit +0.5 points, +2.7 points would be caught"
    )
    (row,) = [r for r in markdown(verdict).splitlines() if "| failed |" in r]
    assert row.startswith("| **FAIL** | `a` | failed | 0 of 500 | 12 of 500 | +2.4 points |")


def test_outputs_cut_short_are_a_regression() -> None:
    """40 % of the outputs end after 60 of 100 tokens."""
    now = measured("now", a=counted(off_length=[200, 500]))
    assert lines(judge_samples(measured(a=counted()), now))[1].startswith(
        "FAIL a off_length: 0 of 500 -> 200 of 500 outputs are not of the length asked for, +40.0"
    )


@pytest.mark.parametrize("kind", ["dropped", "resent"])
def test_dropped_and_resent_requests_are_a_regression(kind: str) -> None:
    now = measured("now", a=counted(**{kind: [20, 500]}))
    assert [r.metric for r in judge_samples(measured(a=counted()), now).regressions] == [kind]


def test_few_failures_that_may_be_chance_are_inconclusive() -> None:
    verdict = judge_samples(measured(a=counted()), measured("now", a=counted(failed=[4, 500])))
    assert lines(verdict)[1].startswith("INCONCLUSIVE, BEYOND THE LIMIT a failed: 0 of 500 -> 4 of")


def test_failures_too_few_in_each_cell_are_told_over_all_of_them() -> None:
    old = {f"c{n}": counted() for n in range(6)}
    now = {f"c{n}": counted(failed=[5, 500]) for n in range(6)}
    verdict = judge_samples(of_cells("main", old), of_cells("now", now))
    assert [(r.cell, r.metric) for r in verdict.regressions] == [("all cells", "failed")]


def test_a_metric_that_no_repeat_knows_is_missing_by_name() -> None:
    silent = cell()
    silent.metrics["time_per_token"] = [None] * 5
    del silent.metrics["throughput"]
    verdict = judge_samples(measured(a=cell()), measured("now", a=silent))
    assert (verdict.state, verdict.failed) == ("MISSING", True)
    assert lines(verdict)[1:] == [
        "MISSING a: time_per_token is known in main and not in this run",
        "MISSING a: throughput is known in main and not in this run",
    ]


def test_a_metric_unknown_in_one_repeat_loses_that_repeat() -> None:
    """Time per token + 50 % with one unknown repeat was a PASS."""
    slower = cell(token=30.0)
    slower.metrics["time_per_token"][2] = None
    verdict = judge_samples(measured(a=cell()), measured("now", a=slower))
    assert [(r.metric, r.repeats) for r in verdict.regressions] == [("time_per_token", (5, 4))]


def many(factor: float = 1.0) -> dict[str, CellSample]:
    """Twelve cells, each with the repeats in another order."""
    cells = {f"c{n}": cell(token=20.0 * factor) for n in range(12)}
    for turn, found in enumerate(cells.values()):
        for values in found.metrics.values():
            values[:] = values[turn % 5 :] + values[: turn % 5]
    return cells


def test_a_small_change_of_all_cells_is_told() -> None:
    """+2.5 % in each of twelve cells is within the tolerance, certain, and no host's."""
    verdict = judge_samples(of_cells("main", many()), of_cells("now", many(1.025)))
    row = next(r for r in verdict.comparisons if (r.cell, r.metric) == TOGETHER)
    assert (row.state, verdict.failed) == ("PASS", False)
    assert lines(verdict)[-1] == (
        "note: time_per_token is worse by +2.5% (+2.4% to +2.6%) over all cells together: within "
        "the limit of +3%, and more than a host's speed explains (2%)"
    )


TOGETHER = ("all cells", "time_per_token")


def test_all_cells_together_are_a_figure_of_their_own() -> None:
    """+4 % can't be told in any one cell with such noise."""
    verdict = judge_samples(of_cells("main", many()), of_cells("now", many(1.04)))
    assert [(r.cell, r.metric) for r in verdict.regressions] == [TOGETHER]


def test_the_hosts_allowance_is_an_option() -> None:
    assert parse_allowance("1.5%") == 0.015
    for text in ("2", "x%", "100%", "-1%"):
        with pytest.raises(ConfigError, match=r"--llm-host-allowance: .*: write it as in 2%"):
            parse_allowance(text)


def test_a_disturbed_repeat_is_set_aside_and_told() -> None:
    disturbed = cell()
    disturbed.metrics["ttft"][1] = 65.0
    verdict = judge_samples(measured(a=cell()), measured("now", a=disturbed))
    assert verdict.state == "PASS"
    assert lines(verdict)[1:] == [
        "note: a: 1 of 5 repeats of now far slower than the others set aside: something else ran "
        "on the host, or the server stalls at times"
    ]


def test_percentiles_of_few_requests_are_advisory() -> None:
    verdict = judge_samples(measured(a=cell()), measured("now", a=cell()))
    row = next(row for row in verdict.comparisons if row.metric == "ttft_p99")
    assert (row.state, row.gating) == ("PASS", False)
    worse = cell()
    worse.metrics["ttft_p99"] = [300.0 * f for f in SPREAD]
    verdict = judge_samples(measured(a=cell()), measured("now", a=worse))
    assert not verdict.failed
    assert any(
        text.startswith("advisory FAIL a ttft_p99") for text in lines(verdict, all_rows=True)
    )


def test_percentiles_of_many_requests_gate() -> None:
    old, new = cell(), cell()
    new.metrics["ttft_p99"] = [300.0 * f for f in SPREAD]
    many = {"advisory": [], "requests": 500}
    verdict = judge_samples(
        measured(a=structs.replace(old, **many)), measured("now", a=structs.replace(new, **many))
    )
    assert [row.metric for row in verdict.regressions] == ["ttft_p99"]


def test_missing_cells_fail_by_name_on_either_side() -> None:
    verdict = judge_samples(measured(a=cell(), b=cell()), measured("now", a=cell(), c=cell()))
    assert (verdict.state, verdict.failed) == ("MISSING", True)
    assert lines(verdict)[1:] == [
        "MISSING b: in baseline main and not in this run: measure it, or store a new baseline",
        "MISSING c: not in baseline main: store a new baseline that holds it",
    ]


def test_an_invalid_cell_is_neither_pass_nor_fail_and_not_green() -> None:
    bad = CellSample({}, 0, 0, invalid=5, why="client_lag too long")
    verdict = judge_samples(measured(a=cell()), measured("now", a=bad))
    assert (verdict.state, verdict.failed, verdict.comparisons) == ("INVALID", True, ())
    assert lines(verdict)[1:] == ["INVALID a: client_lag too long"]


def test_a_server_that_no_longer_sustains_the_rate_is_not_green() -> None:
    old = structs.replace(cell(), metrics={"ttft": [50.0] * 5})  # an open loop's
    now = structs.replace(cell(), metrics={"throughput": [190.0] * 5}, overloaded=5)
    verdict = judge_samples(measured(a=old), measured("now", a=now))
    assert (verdict.state, verdict.failed) == ("OVERLOADED", True)
    assert "could not sustain the rate in 5 of 5 repeats; in main it could" in lines(verdict)[-1]


def test_of_a_server_that_never_sustained_it_the_capacity_is_compared() -> None:
    old = structs.replace(cell(), metrics={"throughput": [200.0] * 5}, overloaded=5)
    now = structs.replace(old, metrics={"throughput": [160.0] * 5})
    verdict = judge_samples(measured(a=old), measured("now", a=now))
    assert [(row.metric, row.state) for row in verdict.comparisons] == [("throughput", "FAIL")]


def test_invalid_repeats_are_left_out_and_named() -> None:
    verdict = judge_samples(
        measured(a=cell()), measured("now", a=cell(repeats=4, invalid=1, why="lag"))
    )
    assert verdict.state == "PASS"
    assert lines(verdict)[1:] == ["note: a: 1 INVALID repeats of now left out: lag"]


def test_another_fingerprint_is_refused_with_the_difference() -> None:
    old = measured(fingerprint={"host.cpu": "x", "seed": "1"}, a=cell())
    new = measured("now", fingerprint={"host.cpu": "y", "seed": "1"}, a=cell())
    verdict = judge_samples(old, new)
    assert (verdict.state, verdict.failed, verdict.comparisons) == ("REFUSED", True, ())
    assert lines(verdict) == [
        "REFUSED: now against main: these are not the same, so their numbers can't be compared "
        "(--llm-compare-anyway does, and says so):",
        "  host.cpu: x -> y",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("host.kernel", "6.8.0-45-generic", "6.8.0-47-generic"),
        ("cell.a.timeouts", '{"request_timeout_s":600.0}', '{"request_timeout_s":60.0}'),
    ],
)
def test_what_only_may_move_a_number_is_a_warning(name: str, old: str, new: str) -> None:
    verdict = judge_samples(
        measured(fingerprint={name: old}, a=cell()),
        measured("now", fingerprint={name: new}, a=cell()),
    )
    assert verdict.state == "PASS"
    assert lines(verdict)[1:] == [f"warning: {name}: {old} -> {new}: this may move the numbers"]
    assert f"- warning: {name}: " in markdown(verdict)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("host.kernel", "6.8.0-45-generic", "6.11.0-9-generic"),
        ("cell.a.warmup", "1", "0"),
        ("cell.a.workers", "1", "2"),
        ("cell.a.client", '{"stream":true}', '{"stream":false}'),
    ],
)
def test_what_moves_a_number_is_refused(name: str, old: str, new: str) -> None:
    verdict = judge_samples(
        measured(fingerprint={name: old}, a=cell()),
        measured("now", fingerprint={name: new}, a=cell()),
    )
    assert verdict.state == "REFUSED"
    assert lines(verdict)[1] == f"  {name}: {old} -> {new}"


def test_comparing_anyway_is_stamped() -> None:
    old = measured(fingerprint={"host.cpu": "x"}, a=cell())
    new = measured("now", fingerprint={"host.cpu": "y"}, a=cell())
    verdict = judge_samples(old, new, anyway=True)
    assert (verdict.state, verdict.failed) == ("PASS", False)
    assert lines(verdict)[0] == (
        "PASS: now against main: 0 FAIL, 0 INCONCLUSIVE, 3 PASS "
        "(ALTHOUGH THEIR FINGERPRINTS DIFFER)"
    )


def test_simulated_numbers_are_stamped() -> None:
    verdict = judge_samples(measured(simulated=True, a=cell()), measured("now", a=cell()))
    assert lines(verdict)[0].startswith("SIMULATED PASS")


def test_few_repeats_are_said_to_have_little_power() -> None:
    verdict = judge_samples(measured(a=cell()), measured("now", a=cell(ttft=80.0, repeats=1)))
    assert [r.low_power for r in verdict.regressions] == [True]
    assert lines(verdict)[1].endswith("limit +5%, +7.4% would be caught; low power")
    assert lines(verdict)[-1] == (
        "note: low power: fewer than 3 repeats of some cells, so their interval rests on the noise "
        "of the others; use --llm-repeats 5 on both sides"
    )


def test_nothing_to_compare_is_not_green() -> None:
    assert judge_samples(measured(), measured("now")).failed


def test_one_cells_part() -> None:
    verdict = judge_samples(
        measured(a=cell(), b=cell()), measured("now", a=cell(ttft=60), b=cell())
    )
    assert (verdict.of("a").failed, verdict.of("b").failed) == (True, False)


def test_markdown_has_the_regressions_first() -> None:
    verdict = judge_samples(measured(a=cell()), measured("now", a=cell(token=25.0)))
    text = markdown(verdict).splitlines()
    assert text[0] == "### FAIL: now against main: 1 FAIL, 0 INCONCLUSIVE, 2 PASS"
    rows = [row for row in text if row.startswith("| ")]
    assert rows[1] == (
        "| **FAIL** | `a` | time_per_token | 20 ms | 25 ms | +25.0% | +23.8% to +26.3% | +3% "
        "| +4.4% |"
    )


def test_markdown_shows_foreign_text_as_it_is() -> None:
    bad = CellSample({}, 0, 0, invalid=1, why="<script>|`x`")
    text = markdown(judge_samples(measured(a=cell()), measured("now", a=bad)))
    assert r"&lt;script>\|\`x\`" in text


def test_json_has_state_and_rows() -> None:
    whole = json.loads(to_json(judge_samples(measured(a=cell()), measured("now", a=cell()))))
    assert (whole["state"], whole["failed"], len(whole["comparisons"])) == ("PASS", False, 4)


def test_a_tolerance_can_be_given() -> None:
    verdict = judge_samples(
        measured(a=cell()),
        measured("now", a=cell(ttft=60.0)),
        tolerances=parse_tolerances("ttft=30%"),
    )
    assert not verdict.failed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tft=5%", "unknown metric 'tft'; did you mean 'ttft'?"),
        ("ttft=5", "'ttft=5': write it as in ttft=5%"),
        ("ttft=x%", "'ttft=x%': write it as in ttft=5%"),
        ("ttft=100%", "'ttft=100%': write it as in ttft=5%"),
    ],
)
def test_a_tolerance_that_is_none(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"--llm-tolerance: {message.replace('?', '.')}"):
        parse_tolerances(text)


def test_a_baseline_file_is_sorted_and_has_a_line_for_each_metric(tmp_path: Path) -> None:
    text = render(measured(b=cell(repeats=2), a=cell(repeats=2))).decode()
    assert '        "throughput": [198.0, 199.0],\n' in text
    assert text.index('"a": {') < text.index('"b": {')
    path = tmp_path / "main.json"
    path.write_text(text)
    assert read_baseline(path) == measured(b=cell(repeats=2), a=cell(repeats=2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged, not JSON"),
        ("[]", "not a baseline of pytest-llmbench"),
        ('{"benchmarks": []}', "not a baseline of pytest-llmbench"),
        (
            '{"format": "llmbench baseline", "version": 99}',
            "baseline of version 99, this one reads",
        ),
        ('{"format": "llmbench baseline", "version": 1}', "damaged: Object missing required"),
    ],
)
def test_a_damaged_or_foreign_baseline(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "main.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"main.json: {message}"):
        read_baseline(path)


def test_a_baseline_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such baseline; make one with --llm-save-baseline"):
        load_baseline(tmp_path, "main")
    (tmp_path / "main.json").write_bytes(render(measured(a=cell())))
    with pytest.raises(ConfigError, match=r"mian.json: no such baseline; did you mean 'main'"):
        load_baseline(tmp_path, "mian")


def test_a_baselines_name_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use letters, digits, dots, dashes"):
        load_baseline(tmp_path, "../main")


def test_a_verdict_of_nothing() -> None:
    assert Verdict("main", "now").state == "MISSING"
