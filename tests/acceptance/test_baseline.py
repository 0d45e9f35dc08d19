"""A baseline is stored, and the next session is compared with it."""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.verdict.test_schemas import validator

GATE = """
    import pytest

    @pytest.mark.llm("grid")
    def test_grid(llm_bench, cell):
        assert llm_bench.run(cell).valid

    @pytest.mark.llm("gate")
    def test_gate(llm_gate, cell):
        llm_gate(cell)
"""
CELL = "tiny-sim-in16-out8-users1"
ARGS = ("-k", "users1", "--llm-repeats", "4", "--llm-requests", "2")
COMPARE = (sys.executable, "-m", "llmbench.cli", "compare")


@pytest.fixture
def gated(suite: pytest.Pytester) -> pytest.Pytester:
    """The repository with a gate, and a baseline called ``main`` of one cell."""
    suite.makepyfile(test_bench=GATE)
    stored = suite.runpytest_subprocess(*ARGS, "--llm-save-baseline", "main")
    assert stored.ret == 0
    stored.stdout.fnmatch_lines(["baseline: *main.json"])
    return suite


def properties(case: "ET.Element") -> dict[str, str]:
    """JUnit's properties of a test."""
    return {p.get("name", ""): p.get("value", "") for p in case.iter("property")}


def change(suite: pytest.Pytester, old: str, new: str) -> None:
    path = suite.path / "models" / "tiny-sim.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_without_a_baseline_there_is_no_gate(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_bench=GATE)
    result = suite.runpytest_subprocess("--collect-only", "-q")
    result.stdout.no_fnmatch_line("*test_gate*")


def test_a_server_that_got_slower_turns_the_session_red(gated: pytest.Pytester) -> None:
    change(gated, "ttft_ms = 50", "ttft_ms = 200")  # more than a busy host adds
    summary = gated.path / "summary.md"
    gated._monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    gated._monkeypatch.setenv("GITHUB_ACTIONS", "true")
    files = ("--junitxml", "junit.xml", "--llm-openmetrics", "figures/metrics.txt")
    result = gated.runpytest_subprocess(
        *ARGS, "--llm-baseline", "main", "--llm-compare-anyway", *files
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [f"FAIL {CELL} ttft: [5-9]* -> 2[0-4]* ms, +*limit +5%, * would be caught"]
    )
    result.stdout.fnmatch_lines(
        [f"::error title=llmbench%3A FAIL {CELL} ttft::FAIL {CELL} ttft: *"]
    )
    cases = [*ET.parse(gated.path / "junit.xml").getroot().iter("testcase")]
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert failed == [f"test_gate[{CELL}]"]
    grid, gate = map(properties, cases)
    assert 200 <= float(grid["llmbench.ttft_ms_p50"]) < 250
    assert (grid["llmbench.outcome"], grid["llmbench.repeats"]) == ("valid", "4")
    assert (gate["llmbench.verdict"], gate["llmbench.verdict.ttft"]) == ("FAIL", "FAIL")
    text = (gated.path / "figures" / "metrics.txt").read_text(encoding="utf-8")
    assert f'llmbench_ttft_seconds{{cell="{CELL}",percentile="p50"}} 0.2' in text
    states = [
        text_line for text_line in text.splitlines() if 'llmbench_verdict="FAIL"' in text_line
    ]
    red = [state for state in states if state.endswith(" 1.0")]
    for metric in ("ttft", "throughput"):
        assert any(f'metric="{metric}"' in state for state in red), metric


def test_another_configuration_is_refused(gated: pytest.Pytester) -> None:
    change(gated, "ttft_ms = 50", "ttft_ms = 80")
    result = gated.runpytest_subprocess(*ARGS, "--llm-baseline", "main")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*REFUSED*", "*model.tiny-sim.server*"])


def test_a_cell_that_is_missing_turns_the_session_red(gated: pytest.Pytester) -> None:
    result = gated.runpytest_subprocess(
        *("users2" if arg == "users1" else arg for arg in ARGS), "--llm-baseline", "main"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"MISSING {CELL}: in baseline main and not in this run*"])


def test_a_baseline_that_does_not_exist_is_named_at_once(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("-k", "users1", "--llm-baseline", "mian")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = "*mian.json: no such baseline; make one with --llm-save-baseline*"
    result.stderr.fnmatch_lines([told])
    assert not (suite.path / "reports").exists()


def test_two_runs_are_compared_from_their_files(gated: pytest.Pytester) -> None:
    gated.runpytest_subprocess(*ARGS)
    runs = [p for p in sorted((gated.path / "reports" / "runs").iterdir()) if not p.is_symlink()]
    result = gated.run(*COMPARE, *map(str, runs))
    assert len(runs) == 2
    result.stdout.fnmatch_lines([f"*{CELL} ttft: 5[0-2].* -> 5[0-2].* ms*"])
    baseline = Path(gated.path / "reports" / "baselines" / "main.json")
    against = gated.run(*COMPARE, str(baseline), str(runs[1]), "--format", "json")
    against.stdout.fnmatch_lines(['*"baseline": "main"*'])


SPREAD = "ttft_ms = 50\nlaunch_spread = 0.03"


def test_launches_apart_are_green_and_a_slower_server_is_red(gated: pytest.Pytester) -> None:
    """How far the one launch lies from the baseline's is drawn by the seed."""
    change(gated, "ttft_ms = 50", SPREAD)
    same = gated.runpytest_subprocess(*ARGS, "--llm-baseline", "main")
    assert same.ret == pytest.ExitCode.OK
    same.stdout.fnmatch_lines(["note: each side rests on one launch, *deviation of 3% explain*"])
    change(gated, "ttft_ms = 50", "ttft_ms = 58.5")
    change(gated, "ms_per_token = 20", "ms_per_token = 23.4")
    slower = gated.runpytest_subprocess(*ARGS, "--llm-baseline", "main", "--llm-compare-anyway")
    assert slower.ret == pytest.ExitCode.TESTS_FAILED
    slower.stdout.fnmatch_lines([f"FAIL {CELL} ttft: *"])


def test_repeats_are_spread_over_launches(gated: pytest.Pytester) -> None:
    change(gated, "ttft_ms = 50", SPREAD)
    result = gated.runpytest_subprocess(*ARGS, "--llm-launches", "2", "--llm-save-baseline", "two")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["*launches: between them, and of repeats within one*", f"*{CELL} *2 *% between*"]
    )
    stored = json.loads((gated.path / "reports/baselines/two.json").read_text(encoding="utf-8"))
    assert stored["cells"][CELL]["launches"] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--llm-repeats", "2"), "3 launches need 3 repeats or more, not 2: --llm-repeats 6 gives"),
        (("--llm-repeats", "3..5"), "3..5 repeats can't be spread over 3 launches"),
        (
            ("--llm-url", "http://127.0.0.1:1", "--llm-model", "m", "--llm-tokenizer", "t.json"),
            "a server at a URL can't be launched anew; leave it at 1",
        ),
    ],
)
def test_launches_that_can_not_be_are_refused(
    suite: pytest.Pytester, options: tuple[str, ...], message: str
) -> None:
    result = suite.runpytest_subprocess("--collect-only", "--llm-launches", "3", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --llm-launches: *: {message}*"])


def test_the_files_of_a_session_are_as_their_schemas_say(gated: pytest.Pytester) -> None:
    gated.runpytest_subprocess(*ARGS, "--llm-baseline", "main")
    reports = gated.path / "reports"
    *_, run = sorted(path for path in (reports / "runs").iterdir() if not path.is_symlink())
    files = {
        "run": run / "run.json",
        "baseline": reports / "baselines" / "main.json",
        "comparison": run / "verdict.json",
    }
    for name, path in files.items():
        validator(name).validate(json.loads(path.read_text(encoding="utf-8")))
