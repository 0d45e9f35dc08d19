"""A run's row in the history, and Apache Otava finding the change point in it."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llmbench.cli import main
from llmbench.config import ConfigError
from llmbench.verdict.gate.history import append_history, otava_config
from llmbench.verdict.gate.samples.baselines import CellSample, Sample
from tests.verdict.test_baselines import make_run

CELL = "m-in128-out64-users4"
OTAVA = shutil.which("otava", path=str(Path(sys.executable).parent)) or shutil.which("otava")


def measured(day: int, slower: float = 1.0, repeats: int = 5) -> Sample:
    noise = random.Random(day)
    metrics: dict[str, list[float | None]] = {
        "ttft": [50 * slower * noise.gauss(1, 0.02) for _ in range(repeats)],
        "time_per_token": [20 * slower * noise.gauss(1, 0.02) for _ in range(repeats)],
        "throughput": [200 / slower * noise.gauss(1, 0.02) for _ in range(repeats)],
    }
    created = f"{datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"
    return Sample("n", created, f"c{day}", False, {}, {CELL: CellSample(metrics, 20, repeats)})


def test_a_row_for_each_run(tmp_path: Path) -> None:
    metrics: dict[str, list[float | None]] = {
        "ttft": [52.0, 50.0, 51.0],
        "time_per_token": [20.0, None, 21.0],
        "throughput": [None] * 3,
    }
    cells = {CELL: CellSample(metrics, 20, 3)}
    for commit in ("c0", None):
        run = Sample("n", "2026-09-01T00:00:00Z", commit, False, {}, cells)
        assert append_history(tmp_path, run) == [tmp_path / f"{CELL}.csv"]
    assert (tmp_path / f"{CELL}.csv").read_text().splitlines() == [
        "time,commit,ttft,time_per_token,throughput,requests,repeats,simulated",
        "2026-09-01T00:00:00Z,c0,51.0,20.5,,20,3,False",
        "2026-09-01T00:00:00Z,,51.0,20.5,,20,3,False",
    ]


def test_answers_without_tokens_have_metrics_of_their_own(tmp_path: Path) -> None:
    metrics: dict[str, list[float | None]] = {
        "latency": [52.0, 50.0],
        "latency_p95": [60.0, 61.0],
        "inputs_per_s": [410.0, 412.0],
    }
    run = Sample(
        "n", "2026-09-01", "c0", False, {}, {"e-in128x8-users1": CellSample(metrics, 9, 2)}
    )
    append_history(tmp_path, run)
    append_history(tmp_path, measured(0))
    assert (tmp_path / "e-in128x8-users1.csv").read_text().splitlines() == [
        "time,commit,latency,inputs_per_s,requests,repeats,simulated",
        "2026-09-01,c0,51.0,411.0,9,2,False",
    ]
    config = otava_config(tmp_path, ["e-in128x8-users1", CELL])
    named = re.findall(r"column: (\w+)\n +direction: (-?1)", config)
    assert named == [
        *(("latency", "-1"), ("inputs_per_s", "1")),
        *(("ttft", "-1"), ("time_per_token", "-1"), ("throughput", "1")),
    ]


def test_a_cell_without_a_valid_repeat_has_no_row(tmp_path: Path) -> None:
    assert append_history(tmp_path, measured(0, repeats=0)) == []


def test_a_file_with_other_columns_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"{CELL}.csv").write_text("time,latency\n")
    with pytest.raises(ConfigError, match=r"not a history of this version: its columns are \['ti"):
        append_history(tmp_path, measured(0))


def test_a_run_is_appended_by_one_command(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    folder = tmp_path / "history"
    assert main(["history", str(run.path), str(folder)]) == 0
    assert len((folder / "m-in128-out5-users1.csv").read_text().splitlines()) == 2
    assert "m-in128-out5-users1:" in (folder / "otava.yaml").read_text()


def test_a_run_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(tmp_path), "history"]) == 2
    told = capsys.readouterr().err
    assert told == f"llmbench: {tmp_path}: not a run directory: it has no run.json\n"


@pytest.mark.skipif(OTAVA is None, reason="apache-otava is not installed (it pins an old numpy)")
def test_otava_finds_the_change_point(tmp_path: Path) -> None:
    assert OTAVA is not None
    for day in range(60):
        append_history(tmp_path, measured(day, slower=1.1 if day >= 40 else 1.0))
    config = tmp_path / "otava.yaml"
    config.write_text(otava_config(tmp_path, [CELL]))
    done = subprocess.run(
        [OTAVA, "analyze", CELL, "--config-file", str(config), "--output", "json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC"},
    )
    (found,) = json.loads(done.stdout)[CELL]
    assert datetime.fromtimestamp(int(found["time"]), UTC) == datetime(2026, 10, 11, tzinfo=UTC)
    assert {change["metric"] for change in found["changes"]} == {
        "ttft",
        "time_per_token",
        "throughput",
    }
