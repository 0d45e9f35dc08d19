"""The page of many runs over time."""

import random
import sys
from pathlib import Path

import pytest
from msgspec import structs

from llmbench.cli import main
from llmbench.report.charts import over_runs
from llmbench.report.page.change_points import ChangePoint, change_points
from llmbench.report.page.history_page import history_page, samples_in
from llmbench.verdict.gate.samples.baselines import CellSample, Sample, render
from tests.report.synthetic import START_NS, S, grid, write_run

CELL = "m-in1-out2-users4"


def sample(day: int, slower: float) -> Sample:
    """Four repeats of two launches, the second 4 % slower."""
    ttft: list[float | None] = [50 * slower, 50 * slower, 52 * slower, 52 * slower]
    gap: list[float | None] = [10.0, 10.0, 10.0, 10.0]
    cell = CellSample({"ttft": ttft, "time_per_token": gap}, 100, 4, launches=[0, 0, 1, 1])
    return Sample(f"n{day}", f"2026-09-0{day}T00:00:00Z", f"c{day}" * 5, False, {}, {CELL: cell})


def test_bars_are_the_spread_of_launches() -> None:
    table = over_runs.data([sample(1, 1.0), sample(2, 2.0)])
    ttft = table[table["metric"] == "ttft"]
    assert ttft[["middle", "low", "high"]].to_numpy().tolist() == [[51, 50, 52], [102, 100, 104]]


def test_the_title_tells_what_moved_most() -> None:
    table = over_runs.data([sample(1, 1.0), sample(2, 2.0)])
    assert over_runs.finding(table, ["–", "FAIL"]) == (
        f"1 of 2 runs FAIL; TTFT moved most, by 100 % ({CELL})"
    )


def test_a_folder_of_runs_and_baselines_becomes_one_offline_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.json").write_bytes(render(sample(1, 1.0)))
    (tmp_path / "new.json").write_bytes(render(sample(2, 2.0)))
    (tmp_path / "other.json").write_text("[]")
    write_run(tmp_path / "run", grid(users=(1,)), started_ns=START_NS + 3600 * S)
    assert [s.name for s in samples_in(tmp_path)] == ["n1", "n2", "run"]
    out = tmp_path / "history.html"
    assert main(["history", str(tmp_path), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    page = out.read_text()
    assert "c1c1c1c1c1" in page
    assert "FAIL" in page
    assert "http" not in page.replace("http://www.w3.org/", "").replace("http-equiv", "")


def test_a_history_needs_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(tmp_path)]) == 2
    assert "a history needs two runs or baselines, has 0" in capsys.readouterr().err


def planted(runs: int, since: int) -> "list[Sample]":
    """A history whose TTFT is 20 % longer from run number `since` on, with noise of 1 %."""
    rng = random.Random(5)
    noise = [rng.gauss(1.0, 0.01) for _ in range(runs)]
    return [
        structs.replace(sample(1, (1.2 if k >= since else 1.0) * noise[k]), name=f"run{k}")
        for k in range(runs)
    ]


def test_otava_finds_a_planted_change_and_no_other() -> None:
    pytest.importorskip("otava", reason="Apache Otava is not installed")
    points = change_points(over_runs.data(planted(24, 14)))
    assert points is not None
    (found,) = points
    assert (found.place, found.cell, found.metric) == (14, CELL, "ttft")
    assert found.change == pytest.approx(0.2, abs=0.02)
    assert change_points(over_runs.data(planted(24, 24))) == []


def test_a_change_is_in_the_table_and_in_the_chart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = [structs.replace(sample(day, 1.0 + day // 5), name=f"n{day}") for day in range(1, 8)]
    for kept in history:
        (tmp_path / f"{kept.name}.json").write_bytes(render(kept))
    point = ChangePoint(4, CELL, "ttft", 51.0, 102.0, 1e-5)
    place = "llmbench.report.page.change_points.change_points"
    monkeypatch.setattr(place, lambda table: [point])
    page = history_page(tmp_path, tmp_path / "history.html").read_text()
    assert "<td>51.0</td><td>102</td><td>+100.0 %</td><td>1e-05</td>" in page
    assert "Dashed: a change that lasts (Otava)." in page


def test_without_otava_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "otava.analysis", None)
    for day in (1, 2):
        (tmp_path / f"{day}.json").write_bytes(render(sample(day, 1.0)))
    page = history_page(tmp_path, tmp_path / "history.html").read_text()
    assert "Apache Otava, which finds them, is not installed" in page
