"""What the charts show: their tidy tables and the sentences they make of them."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from llmbench.cells import Arrivals, Cell, Limits, Ramp, Users
from llmbench.config import Slo
from llmbench.metrics.capacity.curves import Point, findings
from llmbench.metrics.capacity.sizes import Size, sizing
from llmbench.report.charts import (
    against_baseline,
    against_users,
    capacity,
    distributions,
    size_map,
    theme,
    tradeoff,
)
from llmbench.report.charts.context import against_depth
from llmbench.report.charts.lettering import _width_in, on_a_phone, wrapped
from llmbench.report.charts.timelines import over_time, power, server_gauges, where_time_went
from llmbench.report.page import headlines, listing, pictures
from llmbench.report.read import read_run
from llmbench.report.run_curves import Curve, curves_of, without_slowdown
from llmbench.report.tables.cell_rows import by_cell, frame
from llmbench.results import CellResult, CellSummary, Distribution, Problem
from llmbench.traffic import SharedPrefix
from llmbench.value_types import Price
from llmbench.verdict.gate.verdicts import Comparison, Verdict
from tests.report.synthetic import grid, model, write_run


def flat(value: float, n: int = 100, tail: float | None = None) -> Distribution:
    high = value if tail is None else tail
    return Distribution(n, value, 0.0, value, value, high, high, high, high)


def result(
    users: int,
    ttft: float,
    gap: float,
    rps: float,
    *,
    config: str = "m",
    repeat: int = 1,
    inputs: int = 128,
    outputs: int = 64,
    valid: bool = True,
    limits: Limits | None = None,
    latency: float | None = None,
) -> CellResult:
    """A closed-loop cell whose distributions are points; p95 is half above the median."""
    cell = Cell(config, inputs, outputs, Users(users), limits or Limits())
    empty: dict[str, Any] = dict.fromkeys(CellSummary.__struct_fields__)
    known = empty | {
        "cell": cell,
        "cell_id": cell.id,
        "repeat": repeat,
        "simulated": False,
        "requests": 100,
        "succeeded": 100,
        "failed": 0,
        "dropped": 0,
        "warmup": 1,
        "errors": {},
        "unknown_finishes": {},
        "error_rate": 0.0,
        "window_s": 10.0,
        "window_rule": "steady",
        "in_window": 100,
        "ttft_ms": flat(ttft, tail=1.5 * ttft),
        "time_per_token_ms": flat(gap),
        "latency_ms": flat(latency or ttft + (outputs - 1) * gap),
        "input_tokens": flat(inputs),
        "output_tokens": flat(outputs),
        "requests_per_s": rps,
        "input_tokens_per_s": rps * inputs,
        "output_tokens_per_s": rps * outputs,
        "token_count_mismatches": 0,
        "clock_step_ms": 0.0,
    }
    problems = () if valid else (Problem("client_lag", "late"),)
    return CellResult(CellSummary(**known), problems)


def of_traffic(one: CellResult, name: str) -> CellResult:
    """The same figures, of requests of a traffic."""
    traffic = SharedPrefix(name, groups=1, prefix_tokens=8, suffix_tokens=8, output_tokens=8)
    cell = msgspec.structs.replace(
        one.summary.cell, input_tokens=0, output_tokens=0, traffic=traffic
    )
    summary = msgspec.structs.replace(one.summary, cell=cell, cell_id=cell.id)
    return msgspec.structs.replace(one, summary=summary)


CLIMB = [result(1, 50, 10, 1.4), result(4, 60, 12, 4.8), result(16, 400, 13, 5.0)]


DEPTHS = [(128, 100.0, 10.0), (256, 200.0, 12.5), (512, 600.0, 20.0)]
"""Prompt tokens, TTFT and time per token."""


def curve(results: list[CellResult], ramp: bool = False) -> Curve:
    points = tuple(
        Point(r.summary.cell.shape.users, r.summary)  # type: ignore[union-attr]
        for r in results
    )
    found = findings(points)
    sound = without_slowdown(points, found)
    return Curve("m", "m", results[0].summary.cell, points, found, ramp, sound)


def test_against_users_takes_median_and_p95() -> None:
    table = against_users.data(frame(CLIMB), "ttft_ms")
    assert table[["users", "middle", "high"]].to_numpy().tolist() == [
        [1, 50, 75],
        [4, 60, 90],
        [16, 400, 600],
    ]


def test_against_users_says_the_rise() -> None:
    table = against_users.data(frame(CLIMB), "ttft_ms")
    assert against_users.finding(table, "ttft_ms") == (
        "TTFT rises 8.0× from 1 to 16 users (in 128, out 64: 50.0 to 400 ms)"
    )


def test_against_users_says_the_peak() -> None:
    table = against_users.data(frame(CLIMB), "requests_per_s")
    assert against_users.finding(table, "requests_per_s") == (
        "Throughput in requests peaks at 5.00 requests/s with 16 users (in 128, out 64)"
    )


def test_traffic_has_a_panel_for_each() -> None:
    cells = [of_traffic(one, name) for name in ("chat", "rag") for one in CLIMB]
    chart = against_users.chart(frame(cells), "ttft_ms")
    assert chart is not None
    assert chart.name == "ttft-traffic"
    assert chart.title == "TTFT rises 8.0× from 1 to 16 users (chat: 50.0 to 400 ms)"
    assert [a.get_title(loc="left") for a in chart.figure.axes[:2]] == ["chat", "rag"]


def test_traffic_has_a_line_for_each_in_the_trade_off() -> None:
    cells = [of_traffic(one, name) for name in ("chat", "rag") for one in CLIMB]
    chart = tradeoff.chart(by_cell(frame(cells)), "m", Slo(ttft_ms={"p95": 100}))
    assert chart is not None
    assert chart.name == "tradeoff-m-traffic"
    assert chart.title == "m: within the SLO up to 4.80 requests/s (rag, 4 users)"
    assert [text.get_text() for text in chart.figure.legends[0].get_texts()] == ["chat", "rag"]


def test_the_speed_at_depth_is_drawn_from_two_depths_on() -> None:
    shape = Users(1, 5, depth=True)
    cells = [result(1, ttft, gap, 1, inputs=n) for n, ttft, gap in DEPTHS]
    deep = [
        msgspec.structs.replace(
            one,
            summary=msgspec.structs.replace(
                one.summary, cell=msgspec.structs.replace(one.summary.cell, shape=shape)
            ),
        )
        for one in cells
    ]
    chart = against_depth.chart(deep)
    assert chart is not None
    assert chart.title == (
        "m: prefill from 1,280 to 640 tokens/s (d128 to d256),"
        " decoding from 100 to 50.0 tokens/s (d128 to d512)"
    )
    assert against_depth.chart(deep[:1]) is None
    assert against_depth.chart(cells) is None


def test_what_hardly_changes_is_said_to_stay() -> None:
    table = against_users.data(frame([result(1, 50, 10, 1), result(8, 54, 10, 2)]), "ttft_ms")
    assert against_users.finding(table, "ttft_ms").startswith("TTFT stays within 10 %")


def test_the_finding_is_of_valid_cells_while_there_are_any() -> None:
    table = against_users.data(frame([*CLIMB, result(64, 9_000, 13, 9, valid=False)]), "ttft_ms")
    assert "from 1 to 16 users" in against_users.finding(table, "ttft_ms")
    assert table["valid"].tolist() == [True, True, True, False]


def test_one_number_of_users_makes_no_chart() -> None:
    assert against_users.chart(frame(CLIMB[:1]), "ttft_ms") is None


def test_the_stamp_is_invalid_only_if_nothing_is_valid() -> None:
    assert theme.stamp_of(["SIMULATED", "SIMULATED INVALID"]) == "SIMULATED"
    assert theme.stamp_of(["INVALID", "INVALID"]) == "INVALID"
    assert theme.stamp_of(["", ""]) == ""


def overloaded(found: CellResult, rate_per_s: float) -> CellResult:
    """The same as the answer of a server that was asked for more than it could do."""
    cell = msgspec.structs.replace(found.summary.cell, shape=Arrivals(rate_per_s))
    summary = msgspec.structs.replace(found.summary, cell=cell, cell_id=cell.id, overloaded=True)
    return CellResult(summary, overloaded=Problem("overloaded", "too much"))


def test_an_overloaded_cell_is_in_no_finding_but_the_capacity() -> None:
    beyond = overloaded(result(1, 900, 10, 4.05), 4.36)
    table = by_cell(frame([*CLIMB, beyond]))
    assert table["outcome"].tolist() == ["valid", "valid", "valid", "overloaded"]
    assert theme.stamp_of([beyond.stamp]) == "OVERLOADED"
    rows = pd.DataFrame({"requests_per_s": [4.1], "in_flight": [7.0]})
    assert over_time.load_finding(rows, table) == (
        "4.05 requests/s when overloaded, which it is at 4.36 requests/s asked"
    )
    slow = Slo(ttft_ms={"p50": 1e6})
    assert tradeoff.finding(tradeoff.data(by_cell(frame([beyond])), "m", slow), slow) == (
        "no cell meets the SLO's limits on time"
    )
    assert headlines.verdict_of(table) == (
        "misses",
        "All 4 cells valid, 1 of them OVERLOADED; none of 400 requests failed",
    )
    assert listing.verdicts_of(table) == ["OVERLOADED", "valid"]


def test_repeats_merge_into_the_median_of_the_valid_ones() -> None:
    repeats = [
        result(4, 50, 10, 3.0, repeat=1),
        result(4, 70, 10, 5.0, repeat=2),
        result(4, 999, 10, 9.0, repeat=3, valid=False),
    ]
    (row,) = by_cell(frame(repeats)).to_dict("records")
    assert (row["ttft_ms_p50"], row["requests_per_s"]) == (60.0, 4.0)
    assert (row["requests"], row["repeats"], row["invalid_repeats"]) == (300, 3, 1)
    assert (row["valid"], row["stamp"]) == (False, "INVALID")


def test_tradeoff_takes_the_slo_s_percentiles() -> None:
    slo = Slo(ttft_ms={"p95": 100.0}, time_per_token_ms={"p50": 20.0})
    table = tradeoff.data(by_cell(frame(CLIMB)), "m", slo)
    assert table["ttft_ms"].tolist() == [75, 90, 600]
    assert tradeoff.finding(table, slo) == (
        "within the SLO up to 4.80 requests/s (in 128, out 64, 4 users)"
    )


def test_tradeoff_says_when_no_cell_meets_the_slo() -> None:
    slo = Slo(ttft_ms={"p95": 10.0})
    table = tradeoff.data(by_cell(frame(CLIMB)), "m", slo)
    assert tradeoff.finding(table, slo) == "no cell meets the SLO's limits on time"


def test_heat_is_at_the_users_that_most_cells_share() -> None:
    places = [(1, 32, 8, 5), (1, 64, 8, 6), (1, 32, 16, 7), (1, 64, 16, 8), (9, 32, 8, 99)]
    cells = [result(u, t, 10, 1, inputs=i, outputs=o) for u, i, o, t in places]
    table = distributions.heat_data(by_cell(frame(cells)), "m", "ttft_ms_p50")
    assert table.attrs["users"] == 1
    assert table.to_numpy().tolist() == [[5, 7], [6, 8]]
    assert table.index.tolist() == [32, 64]
    assert [int(column) for column in table.columns] == [8, 16]


def test_a_ramp_s_finding_names_load_and_knee() -> None:
    found = curve(CLIMB, ramp=True)
    assert capacity.ramp_data(found)["requests_per_s"].tolist() == [1.4, 4.8, 5.0]
    assert capacity.ramp_finding(found) == (
        "5.00 requests/s without losing latency (16 users), knee at 4 users"
    )


def test_cost_falls_with_load() -> None:
    price = Price("eu", "2026-01-01", "list", usd_per_hour=3.6)
    table = capacity.cost_data(curve(CLIMB), model("m", price=price))
    assert table["usd"].tolist() == pytest.approx([1 / 1.4, 1 / 4.8, 1 / 5.0])
    assert table["sound"].tolist() == [True, True, True]


def size(cores: float, gib: int, rps: float, why: str = "") -> Size:
    limits = Limits(cores, gib * 2**30)
    found = result(4, 50, 10, rps, limits=limits)
    problem = (Problem("server_died", why),) if why else ()
    return Size(limits, (msgspec.structs.replace(found, problems=problem),))


def sized() -> Any:
    return sizing([size(1, 1, 1, "OOM killed"), size(1, 2, 1), size(2, 2, 1.9), size(4, 2, 2.0)])


def test_sizes_name_the_ideal_and_mark_what_ran_out_of_memory() -> None:
    table = size_map.size_data(sized())
    assert table["ideal"].tolist() == [False, True, False, False]
    assert table["why"].tolist() == ["OOM", "", "", ""]
    assert size_map.size_finding(sized()) == (
        "ideal is 1 core, 2 GiB; more than 2 cores stop paying"
    )


def test_the_sizing_chart_is_drawn() -> None:
    chart = size_map.size_chart(sized(), "m", "")
    assert chart is not None
    assert chart.title == "m: ideal is 1 core, 2 GiB; more than 2 cores stop paying"


def test_many_sizes_stand_below_each_other_on_a_phone() -> None:
    sizes = sizing([size(cores, gib, cores) for cores in (1, 2, 3, 4, 6) for gib in (2, 4)])
    labels = []
    for narrow in (False, True):
        with on_a_phone() if narrow else nullcontext():
            chart = size_map.size_chart(sizes, "m", "")
        assert chart is not None
        axis = chart.figure.axes[0]
        labels.append((axis.get_xlabel(), len(axis.get_xticklabels())))
    assert labels == [("cores", 5), ("memory limit", 2)]


def comparison(state: Any, change: float, metric: str = "ttft") -> Comparison:
    return Comparison(
        "c",
        metric,
        state,
        True,
        1.0,
        1.0,
        "ms",
        change,
        change - 0.01,
        change + 0.01,
        0.95,
        0.1,
        (5, 5),
        0.5,
    )


def test_the_worst_comparison_comes_first() -> None:
    rows = [comparison("PASS", 0.0), comparison("FAIL", 0.2), comparison("INCONCLUSIVE", 0.1)]
    table = against_baseline.data(Verdict("main", "now", tuple(rows)))
    assert table["state"].tolist() == ["FAIL", "INCONCLUSIVE", "PASS"]
    assert table["change"].tolist() == pytest.approx([20, 10, 0])
    chart = against_baseline.chart(Verdict("main", "now", tuple(rows)))
    assert chart is not None
    assert chart.title == "FAIL against main: 1 regression, 1 inconclusive, of 3 comparisons"


def test_names_leave_out_what_all_cells_share() -> None:
    assert over_time.short_names(["m-in1-out2-users1", "m-in1-out2-users4"]) == ["users1", "users4"]
    assert over_time.short_names(["m-in1-out2-users1"]) == ["m-in1-out2-users1"]


def test_quantiles_are_steps_of_the_ecdf(run_path: Path) -> None:
    data = read_run(write_run(run_path, grid(users=(1,)), requests_per_user=4))
    steps = data.quantiles[data.quantiles["quantity"] == "ttft_ms"]
    assert steps["share"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert steps["value"].is_monotonic_increasing
    assert set(steps["n"]) == {4}


def test_a_ramp_is_a_curve_of_its_steps(run_path: Path) -> None:
    cell = Cell("tiny", 128, 32, Ramp((1, 2, 4), 4.0))
    (found,) = curves_of(read_run(write_run(run_path, [cell])))
    assert found.ramp
    assert [point.load for point in found.points] == [1, 2, 4]


def test_colours_are_the_same_for_the_same_names() -> None:
    assert theme.palette(["a", "b"])["a"] == theme.palette(["a", "b", "c"])["a"]


def test_where_the_time_went_has_a_bar_for_each_cell(run_path: Path) -> None:
    cells = frame(read_run(write_run(run_path, grid(users=(1, 4)))).results)
    assert where_time_went.chart(by_cell(cells), "tiny") is None
    told = cells.assign(
        server_queue_mean_ms=[10.0, 300.0],
        server_prefill_mean_ms=[50.0, 60.0],
        ttft_unaccounted_mean_ms=[2.0, 40.0],
    )
    chart = where_time_went.chart(by_cell(told), "tiny")
    assert chart is not None
    assert chart.title == "tiny: 75.0 % of the longest TTFT, 400 ms, are queue"
    assert [text.get_text() for text in chart.figure.axes[0].get_yticklabels()] == [
        "users1",
        "users4",
    ]


def test_gauges_stand_under_the_ttft_of_their_cells(run_path: Path) -> None:
    data = read_run(write_run(run_path, grid(users=(4, 8)), tells=True))
    chart = server_gauges.chart(data.gauges, data.merged, "tiny")
    assert chart is not None
    ttft = data.merged.set_index("users")["ttft_ms_p50"][8]
    assert chart.title == (
        f"tiny: 4.0 requests waited on average beside 4.0 that ran in users8 (TTFT {ttft:.0f} ms)"
    )
    axes = chart.figure.axes
    assert [axis.get_ylabel() for axis in axes] == [
        "TTFT p50, ms",
        "requests",
        "share, %",
        "tokens a step",
    ]
    (legend,) = chart.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "running",
        "waiting",
        "KV cache in use",
        "tokens a step",
    ]
    steps = [value for line in axes[3].lines for value in line.get_ydata()]
    assert set(steps) == {2.5}


def test_gauges_that_nobody_told_have_no_chart(run_path: Path) -> None:
    data = read_run(write_run(run_path, grid()))
    assert server_gauges.chart(data.gauges, data.merged, "tiny") is None


def test_only_what_was_told_has_a_panel_and_a_line(run_path: Path) -> None:
    data = read_run(write_run(run_path, grid(users=(4,)), tells=True))
    nothing: Any = dict.fromkeys(("waiting", "kv_usage", "drafts", "accepted_tokens"), float("nan"))
    cells = data.merged.assign(server_waiting_mean=float("nan"))
    chart = server_gauges.chart(data.gauges.assign(**nothing), cells, "tiny")
    assert chart is not None
    assert chart.title == "tiny: what the server told of itself"
    assert [axis.get_ylabel() for axis in chart.figure.axes] == ["TTFT p50, ms", "requests"]
    (legend,) = chart.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["running"]


def test_cache_hits_and_preemptions_are_since_the_reading_before(run_path: Path) -> None:
    data = read_run(write_run(run_path, grid(users=(4,)), tells=True))
    at = range(len(data.gauges))
    counted: Any = {
        "cache_queries": [100.0 * k for k in at],
        "cache_hits": [20.0 * k for k in at],
        "preemptions": [float(k) for k in at],
    }
    told = server_gauges.told(data.gauges.assign(**counted), "tiny")
    assert set(told["cache_hit_share"].dropna()) == {0.2}
    assert set(told["preempted"].dropna()) == {1.0, 2.0}  # a reading between two of them failed
    chart = server_gauges.chart(data.gauges.assign(**counted), data.merged, "tiny")
    assert chart is not None
    assert chart.figure.axes[-1].get_ylabel() == "preemptions"


def test_a_server_for_which_nobody_waited_is_said_to_be_so(run_path: Path) -> None:
    data = read_run(write_run(run_path, grid(users=(1, 4)), tells=True))
    assert server_gauges.finding(data.merged) == "no request waited for the server"


def test_trade_offs_of_many_lengths_have_a_panel_for_each_output_length() -> None:
    lengths = [(i, o) for i in (32, 64, 128) for o in (16, 32, 64)]
    cells = [result(u, 50, 10, u, inputs=i, outputs=o) for i, o in lengths for u in (1, 4)]
    chart = tradeoff.chart(by_cell(frame(cells)), "m", Slo())
    assert chart is not None
    titles = [axis.get_title(loc="left") for axis in chart.figure.axes[:3]]
    assert titles == ["out 16", "out 32", "out 64"]
    assert "cells drawn" not in chart.alt


def test_a_chart_says_how_many_cells_it_leaves_out() -> None:
    lengths = [(32, o) for o in (8, 16, 24, 32, 40, 48, 56, 64, 72)]
    cells = [result(u, 50, 10, u, inputs=i, outputs=o) for i, o in lengths for u in (1, 4)]
    chart = tradeoff.chart(by_cell(frame(cells)), "m", Slo())
    assert chart is not None
    assert chart.alt.endswith("8 of 18 cells drawn.")


def test_a_percentile_of_too_few_requests_says_so_at_its_point() -> None:
    chart = tradeoff.chart(by_cell(frame(CLIMB)), "m", Slo())
    assert chart is not None
    assert chart.figure.axes[0].texts[0].get_text() == "1 ~n=100"


def test_a_title_is_never_wider_than_its_room() -> None:
    title = "a-very-long-name-of-a-cell-" * 6 + "$4 and $5 are no formula"
    lines = wrapped(title, 4.0, 15.0, "bold")
    assert "".join(lines).replace(" ", "") == title.replace(" ", "")
    assert all(_width_in(line, 15.0, "bold") <= 4.0 for line in lines)


def test_a_hundred_configurations_stay_apart() -> None:
    names = [str(k) for k in range(110)]
    colours, shapes = theme.palette(names), theme.markers(names)
    assert len({(colours[name], shapes[name]) for name in names}) == 110
    assert len({colours[name] for name in names[:30]}) == 30


def test_configurations_are_sorted_as_one_counts() -> None:
    names = ["m-cores16-mem4g", "m-cores2-mem16g", "m-cores2-mem4g", "m-cores2-mem4g"]
    assert theme.in_order(names) == ["m-cores2-mem4g", "m-cores2-mem16g", "m-cores16-mem4g"]


def test_darker_colours_are_lifted_where_the_page_is_dark() -> None:
    assert theme.deep_colours()[0] == "#01456b"
    lifted = pictures.inline('<svg viewBox="0 0 1 1"><path style="stroke: #01456b"/></svg>', "")
    assert "stroke: color-mix(in srgb, #01456b, white var(--lift))" in lifted


def test_of_many_lines_of_costs_only_the_ends_are_numbered() -> None:
    config = model("m", price=Price("eu", "2026-01-01", "list", usd_per_hour=3.6))
    for lines, numbers in ((5, 15), (6, 12)):
        lengths = [
            curve([result(u, 50, 10, u * (1 + o), outputs=o) for u in (1, 4, 8)])
            for o in range(lines)
        ]
        chart = capacity.cost_chart(lengths, config, "")
        assert chart is not None
        assert numbered(chart) <= numbers


def numbered(chart: theme.Chart) -> int:
    return sum(text.get_text().isdigit() for axis in chart.figure.axes for text in axis.texts)


def test_the_least_cost_is_of_all_lengths_and_of_loads_that_were_served_well() -> None:
    config = model("m", price=Price("eu", "2026-01-01", "list", usd_per_hour=3.6))
    curves = [curve([result(1, 50, 10, 1, outputs=o), result(4, 60, 10, 2)]) for o in range(14)]
    best = curve([result(1, 50, 10, 3, inputs=9), result(8, 900, 10, 9, inputs=9)])
    tables = [(c, capacity.cost_data(c, config)) for c in [*curves, best]]
    assert capacity.cost_finding(tables) == (
        "1,000 requests cost at least $0.333, at 3.00 requests/s (in 9, out 64)"
    )
    chart = capacity.cost_chart([*curves, best], config, "")
    assert chart is not None
    assert "24 of 30 cells drawn" in chart.alt


def test_power_over_time_is_the_gain_of_the_counters() -> None:
    watts = pd.DataFrame(
        {
            "target": "tiny",
            "cell": ["a", "a", "a", "b"],
            "time_s": [0.0, 1.0, 3.0, 4.0],
            "package_j": [0.0, 50.0, 170.0, 5.0],  # launched anew before the last
            "dram_j": None,
            "idle_power_w": 20.0,
            "gpu0_power_w": [100.0, 300.0, 250.0, 90.0],
        }
    )
    table = power.data(watts, "tiny")
    assert table["processors"].tolist()[1:3] == [50.0, 60.0]
    assert table["processors"].isna().tolist() == [True, False, False, True]
    cells = pd.DataFrame({"model": ["tiny"], "stamp": [""]})
    chart = power.chart(watts, cells, "tiny")
    assert chart is not None
    assert chart.title == "tiny: at most 350 W of processors and GPUs"
    nothing = watts.assign(package_j=None, gpu0_power_w=None)
    assert power.chart(nothing, cells, "tiny") is None
