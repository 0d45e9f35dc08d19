"""A session from the command line to the files, in a repository that only has the plugin."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import MODEL

DECK = [
    "request",
    "start_time",
    "end_time",
    "input_tokens",
    "output_tokens",
    "latency(ms)",
    "throughput(tokens/second)",
    "time_per_token(ms/tokens)",
    "TTFT(ms)",
]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def only_run(suite: pytest.Pytester) -> Path:
    (found,) = (p for p in (suite.path / "reports" / "runs").iterdir() if not p.is_symlink())
    return found


def test_a_session_leaves_every_file_of_a_run(drawing: pytest.Pytester) -> None:
    result = drawing.runpytest_subprocess()
    result.assert_outcomes(passed=2 + 2 * 4)
    run = only_run(drawing)
    cell = "tiny-sim-in16-out8-users2"
    requests = rows(run / "requests" / f"{cell}.csv")
    assert list(requests[0])[: len(DECK)] == DECK
    assert len(requests) == 2 * 3
    assert {row["output_tokens"] for row in requests} == {"8"}
    assert {row["status"] for row in requests} == {"ok"}
    assert {row["cell"] for row in rows(run / "cells.csv")} >= {cell}
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert info["ended_ns"] > info["started_ns"]
    assert info["models"][0]["name"] == "tiny-sim"
    for name in ("requests.parquet", "resources.csv", "index.html", "journal/cells.jsonl"):
        assert (run / name).stat().st_size > 0, name
    assert list((run / "charts").glob("*.png"))
    assert list((run / "charts").glob("*.svg"))


def test_the_newest_run_is_the_one_that_latest_leads_to(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("-k", "users1 and grid")
    latest = suite.path / "reports" / "runs" / "latest"
    assert latest.resolve() == only_run(suite)
    elsewhere = suite.runpytest_subprocess("-k", "users1 and grid", "--llm-run-dir", "mine")
    assert elsewhere.ret == 0
    assert latest.resolve() == only_run(suite)


def test_a_model_s_own_repeats_are_made(
    suite: pytest.Pytester, add_model: Callable[[str, str], Path]
) -> None:
    add_model("tiny-sim", f"{MODEL}repeats = 2\n")
    add_model("once-sim", MODEL)
    result = suite.runpytest_subprocess("-k", "users1 and grid", "-o", "llm_repeats=1")
    assert result.ret == 0
    repeats = [(row["cell"].split("-")[0], row["repeat"]) for row in rows(_cells(suite))]
    assert sorted(repeats) == [("once", "1"), ("tiny", "1"), ("tiny", "2")]


def _cells(suite: pytest.Pytester) -> Path:
    return only_run(suite) / "cells.csv"


def test_the_end_shows_a_table_the_stamp_and_the_page(drawing: pytest.Pytester) -> None:
    result = drawing.runpytest_subprocess("-k", "users2")
    result.stdout.fnmatch_lines(
        ["tiny-sim *SIMULATED*", "*TTFT*", "*in16-out8-users2 *6*0*", "page: *index.html"]
    )


def test_the_simulated_truth_is_what_is_measured(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("-k", "users1")
    requests = rows(only_run(suite) / "requests" / "tiny-sim-in16-out8-users1.csv")
    for row in requests:
        latency, ttft = float(row["latency(ms)"]), float(row["TTFT(ms)"])
        assert float(row["time_per_token(ms/tokens)"]) == pytest.approx((latency - ttft) / 7)
        tokens = int(row["input_tokens"]) + int(row["output_tokens"])
        assert float(row["throughput(tokens/second)"]) == pytest.approx(tokens / latency * 1e3)
        assert 49 <= ttft < 70
        assert 20 * 7 - 1 <= latency - ttft < 20 * 7 + 20


def test_the_servers_own_view_is_a_column(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("-k", "users2")
    (cell,) = rows(only_run(suite) / "cells.csv")
    for name, truth_ms in (("ttft", 50), ("time_per_token", 20)):
        theirs = float(cell[f"server_{name}_mean_ms"])
        ours = theirs + float(cell[f"{name}_difference_ms"])
        assert 0.98 * truth_ms <= theirs < 1.4 * truth_ms
        assert 0.98 * truth_ms <= ours < 1.4 * truth_ms


def test_k_selects_cells_and_only_they_run(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("-k", "tiny-sim-in16-out8-users1")
    result.assert_outcomes(passed=1 + 4, deselected=1 + 4)
    assert [path.stem for path in (only_run(suite) / "requests").iterdir()] == [
        "tiny-sim-in16-out8-users1"
    ]


def test_the_command_line_beats_the_toml_and_that_the_ini(suite: pytest.Pytester) -> None:
    suite.makefile(
        ".ini", pytest="[pytest]\nllm_models_dir = models\nllm_users = 7\nllm_repeats = 2\n"
    )
    result = suite.runpytest_subprocess("--collect-only", "-q", "--llm-output-tokens", "4,5")
    result.stdout.fnmatch_lines(["*in16-out4-users1*", "*in16-out5-users2*"])
    result.stdout.no_fnmatch_line("*users7*")


def test_repeats_are_kept_apart(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("-k", "users1", "--llm-repeats", "2", "--llm-requests", "1")
    requests = rows(only_run(suite) / "requests" / "tiny-sim-in16-out8-users1.csv")
    assert [row["repeat"] for row in requests] == ["1", "2"]


def test_repeats_go_in_rounds_over_the_cells_of_a_server(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("--llm-repeats", "2", "--llm-requests", "1")
    journal = (only_run(suite) / "journal" / "cells.jsonl").read_text(encoding="utf-8")
    ran = [json.loads(line) for line in journal.splitlines()]
    assert [(run["cell"]["shape"]["users"], run["repeat"]) for run in ran] == [
        (1, 1),
        (2, 1),
        (1, 2),
        (2, 2),
    ]


def test_a_model_this_host_cannot_run_is_skipped_with_the_reason(
    suite: pytest.Pytester, add_model: Callable[[str, str], Path]
) -> None:
    text = (suite.path / "models" / "tiny-sim.toml").read_text(encoding="utf-8")
    head, _, tail = text.partition("[server]")
    grid = tail[tail.index("[grid]") :]
    server = '[server]\nkind = "docker"\nimage = "none"\ncommand = []\nport = 80\ngpus = 64\n'
    add_model("big-70b", head + server + grid)
    result = suite.runpytest_subprocess("-k", "70b", "-rs")
    assert result.parseoutcomes()["skipped"] == 2 + 2 * 4
    result.stdout.fnmatch_lines(["*llmbench: not run here*", "big-70b: *"])
    assert list((suite.path / "reports" / "runs").iterdir()) == []


def test_xdist_is_refused(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("-n", "2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes() == {"errors": 10}
    result.stdout.fnmatch_lines(["*load tests can't share a host*"])
    assert not (suite.path / "reports").exists()


def test_every_cell_is_in_pytest_benchmarks_files(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("-k", "users1", "--benchmark-json", "out.json")
    found = json.loads((suite.path / "out.json").read_text(encoding="utf-8"))["benchmarks"]
    by_metric = {entry["group"]: entry for entry in found}
    assert set(by_metric) == {"ttft", "time_per_token", "latency", "seconds_per_output_token"}
    requests = rows(only_run(suite) / "requests" / "tiny-sim-in16-out8-users1.csv")
    recorded = sorted(float(row["TTFT(ms)"]) / 1e3 for row in requests)
    assert sorted(by_metric["ttft"]["stats"]["data"]) == pytest.approx(recorded)
    assert by_metric["ttft"]["extra_info"]["n"] == 3


def test_pytest_benchmark_compares_two_saved_runs(suite: pytest.Pytester) -> None:
    for _ in range(2):
        suite.runpytest_subprocess("-k", "users1", "--benchmark-autosave")
    compared = suite.run("pytest-benchmark", "compare", "--group-by=group", "--columns=median")
    assert compared.ret == 0
    compared.stdout.fnmatch_lines(
        ["*'ttft': 2 tests*", "*users1-ttft] (000?_*", "*users1-ttft] (000?_*"]
    )


def test_collecting_loads_nothing_heavy(suite: pytest.Pytester) -> None:
    script = (
        "import sys, pytest; code = pytest.main(['--collect-only', '-q']); "
        "heavy = {'transformers', 'tokenizers', 'datasets', 'pandas', 'pyarrow', 'seaborn', "
        "'matplotlib', 'scipy', 'docker', 'numpy'} & set(sys.modules); "
        "print('HEAVY', sorted(heavy)); sys.exit(code)"
    )
    result = suite.run(sys.executable, "-c", script)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*users1*", "HEAVY []"])


def test_an_api_key_reaches_no_file_and_no_output(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMBENCH_API_KEY", "sesame-open")
    monkeypatch.setenv("TEAM_TOKEN", "sesame-close")
    path = suite.path / "models" / "tiny-sim.toml"
    headers = '\n[client.headers]\n"X-Token" = "$TEAM_TOKEN"\n'
    path.write_text(path.read_text(encoding="utf-8") + headers, encoding="utf-8")
    result = suite.runpytest_subprocess("-k", "users1")
    result.assert_outcomes(passed=5, deselected=5)
    assert "sesame" not in result.stdout.str() + result.stderr.str()
    files = [file for file in only_run(suite).rglob("*") if file.is_file()]
    assert len(files) > 5
    assert [file for file in files if b"sesame" in file.read_bytes()] == []
