"""One option is enough: a server of which only the URL is told."""

import json
from pathlib import Path

import pytest

from tests.simulated_engines import simulated_engine

CALM = ("--ttft-ms", "60", "--ms-per-token", "24")
"""A pace at which the client's part is small even where others use the host."""


def run_of(pytester: pytest.Pytester) -> Path:
    (run,) = (p for p in (pytester.path / "reports" / "runs").iterdir() if not p.is_symlink())
    return run


def test_a_url_gives_a_table_a_page_and_the_next_command(drawing: pytest.Pytester) -> None:
    with simulated_engine("vllm", *CALM) as url:
        result = drawing.runpytest_subprocess("--llm-url", url)
    result.assert_outcomes(passed=3 + 3 * 4)
    result.stdout.fnmatch_lines(
        [
            f"llmbench: {url} is vLLM 0.0.0-simulated: model simulated, api openai-completions, "
            "context 4,096 tokens, prompts synthetic, counted by the server's tokenizer; a "
            "request took * s, so 2 for each of 1, 4, 16 users (--llm-model, *",
            "*SIMULATED: these numbers are not a real server's*",
            " in128-out64-users1 * 2 * 0 *valid*",
            " in128-out64-users16 * 32 * 0 *valid*",
            "page: *",
            f"next (requests/s still rose at 16 users): pytest *--llm-url {url} --llm-users 32,64",
        ]
    )
    run = run_of(drawing)
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert info["detected"]["engine"] == "vLLM"
    (prompts,) = info["prompts"].values()
    assert (prompts["kind"], prompts["tokenizer"]) == ("synthetic", "server:tokenize")
    requests = (run / "requests" / "simulated-in128-out64-users4.csv").read_text("utf-8")
    assert len(requests.splitlines()) == 1 + 8
    assert (run / "index.html").is_file()


def test_what_the_user_sets_wins_and_what_does_not_fit_is_skipped(suite: pytest.Pytester) -> None:
    ini = suite.path / "pytest.ini"
    ini.write_text(ini.read_text("utf-8") + "\nllm_users = 2\n", encoding="utf-8")
    with simulated_engine("openai") as small, simulated_engine("tgi", *CALM) as url:
        result = suite.runpytest_subprocess(
            *("--llm-url", url, "--llm-input-tokens", "16,5000", "--llm-requests", "1")
        )
        listed = suite.runpytest_subprocess("--llm-url", small, "--collect-only", "-q")
    result.assert_outcomes(passed=1 + 4, skipped=1 + 4)
    reason = "5,000 + 64 tokens don't fit its context of 4,096"
    result.stdout.fnmatch_lines(
        ["*llmbench: not run here*", f"simulated-in5000-out64-users2: {reason}"]
    )
    listed.stdout.fnmatch_lines(["test_bench.py::test_grid?simulated-in128-out64-users2?"])
    assert "llmbench: " not in listed.stdout.str()


def test_a_mistake_is_said_once_and_nothing_is_measured(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_other=(suite.path / "test_bench.py").read_text("utf-8"))
    with simulated_engine("vllm", "--fault", "http-500") as url:
        result = suite.runpytest_subprocess("--llm-url", url)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().count("answers 500") == 1
    assert not (suite.path / "reports").exists()
