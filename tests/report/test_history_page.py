"""The page of many runs over time."""

from pathlib import Path

import pytest

from llmbench.cli import main
from llmbench.report.charts import over_runs
from llmbench.report.page.history_page import samples_in
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
