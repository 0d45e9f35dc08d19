"""A run written as vLLM bench writes its results."""

import json
from pathlib import Path

import pytest

from llmbench.cli import main
from llmbench.interchange.tools import read_tool_file
from llmbench.verdict import results
from tests.verdict.test_baselines import make_run


def test_each_valid_repeat_is_a_file_that_reads_back_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    assert main(["export", str(run.path), "--format", "vllm-bench"]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    repeats = results(run)
    assert len(written) == len(repeats)
    tool, read = read_tool_file(written[0])
    (cell,), summary = read.measurements, repeats[0].summary
    assert summary.ttft_ms is not None and summary.time_per_token_ms is not None
    assert tool.name == "vLLM bench"
    assert cell.ttft.p99 == pytest.approx(summary.ttft_ms.p99)
    assert cell.time_per_token.p50 == pytest.approx(summary.time_per_token_ms.p50)
    assert cell.output_tokens_per_s == summary.output_tokens_per_s
    assert cell.users == summary.cell.shape.most_users


def test_dashboards_find_the_fields_of_the_real_tool(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert main(["export", str(run.path), "--format", "vllm-bench", "--out", str(tmp_path)]) == 0
    real = json.loads((Path(__file__).parent / "data" / "vllm-a1.json").read_text())
    (first, *_) = sorted(tmp_path.glob("*.json"))
    ours = json.loads(first.read_text(encoding="utf-8"))
    assert {*ours} - {*real} <= {f"p90_{m}_ms" for m in ("ttft", "tpot", "itl", "e2el")}
    assert {f"median_{m}_ms" for m in ("ttft", "tpot", "itl", "e2el")} <= {*ours}
    assert (ours["request_rate"], ours["burstiness"]) == ("inf", 1.0)


def test_a_repeat_that_is_invalid_is_left_out_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", error_kind="reset")
    assert main(["export", str(run.path), "--format", "vllm-bench"]) == 0
    assert "left out, INVALID: " in capsys.readouterr().out
