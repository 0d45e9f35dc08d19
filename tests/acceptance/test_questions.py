"""The other questions a suite can ask: ramp, rate, top rate, cold start, A against B.

On two simulated slots of 50 ms + 7 x 5 ms the truth is known: 11.8 requests/s with one user, and
never more than 23.5.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmbench.store import RunDir

SLOTS_AND_SLO = ("ms_per_token = 20", "ms_per_token = 5\nslots = 2\n\n[slo]\nttft_ms = {p50 = 90}")


def ask(suite: pytest.Pytester, kind: str, body: str, fixture: str = "llm_bench") -> None:
    """Make the suite's only benchmark one of `kind`."""
    suite.makepyfile(
        test_bench=f"""
        import pytest

        @pytest.mark.llm("{kind}")
        def test_it({fixture}, cell):
            {body}
        """
    )
    path = suite.path / "models" / "tiny-sim.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(*SLOTS_AND_SLO), encoding="utf-8")


def only_run(suite: pytest.Pytester) -> RunDir:
    (found,) = (p for p in (suite.path / "reports" / "runs").iterdir() if not p.is_symlink())
    return RunDir.open(found)


def test_a_ramp_finds_where_requests_stop_rising(suite: pytest.Pytester) -> None:
    ask(suite, "ramp", "assert llm_bench.run(cell).valid")
    result = suite.runpytest_subprocess("--llm-users", "1,2,8", "--llm-duration", "1")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*tiny-sim-in16-out8-ramp8*",
            "best latency: 8?.? ms (p50) with 1 user",
            "max RPS without significant deterioration: 2[23]* requests/s with 2 users*",
        ]
    )


def test_each_rate_is_a_cell_of_the_asked_arrivals(suite: pytest.Pytester) -> None:
    ask(suite, "rate", "llm_bench.run(cell)")
    suite.runpytest_subprocess("--llm-rates", "4,8", "--llm-duration", "1")
    rates = {run.cell_id.rpartition("rate")[2] for run in only_run(suite).cell_runs()}
    assert rates == {"4", "8"}


def test_a_trace_is_replayed(suite: pytest.Pytester) -> None:
    ask(suite, "rate", "llm_bench.run(cell)")
    (suite.path / "load.csv").write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2024-05-10 00:00:00.00,16,4\n2024-05-10 00:00:00.30,16,6\n",
        encoding="utf-8",
    )
    suite.runpytest_subprocess("--llm-trace", "load.csv")
    records = [r for r in only_run(suite).requests() if r.phase == "measured"]
    assert {r.cell for r in records} == {"tiny-sim-trace-load"}
    assert [record.requested_output_tokens for record in records] == [4, 6]
    gap_s = (records[1].scheduled_ns - records[0].scheduled_ns) / 1e9
    assert gap_s == pytest.approx(0.3, abs=1e-3)


def test_the_highest_rate_is_searched_and_told(suite: pytest.Pytester) -> None:
    ask(suite, "search", "assert 15 < llm_bench.highest_rate(cell) < 28")
    options = ("--llm-rates", "20", "--llm-arrivals", "constant", "--llm-duration", "1")
    result = suite.runpytest_subprocess(*options)
    result.assert_outcomes(passed=1)
    told = re.search(
        r"tiny-sim-in16-out8-highest-rate: highest rate that meets the SLO: ([\d.]+) requests/s "
        r"\(missed at ([\d.]+)(?:: its trial met it, but overloaded the server did [\d.]+/s)?\), "
        r"by \d+ trials",
        " ".join(result.stdout.str().split()),
    )
    assert told is not None
    (search,) = only_run(suite).searches()
    assert (search.met, search.missed) == (float(told[1]), float(told[2]))
    tried = {run.cell_id.rpartition("rate")[2] for run in only_run(suite).cell_runs()}
    assert {f"{told[1]}-constant-trial", f"{told[2]}-constant-trial"} <= tried


def test_the_most_users_within_the_slo_are_searched_and_told(suite: pytest.Pytester) -> None:
    """Two slots of 85 ms each: of three users one waits at a time, of four all do."""
    ask(suite, "most_users", "assert llm_bench.most_users(cell) == 3")
    result = suite.runpytest_subprocess("--llm-users", "1", "--llm-requests", "5")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["tiny-sim-in16-out8-most-users: most users: 3 users (missed at 4), by * trials"]
    )


def test_a_search_without_the_time_to_confirm_its_answer_says_so(suite: pytest.Pytester) -> None:
    ask(suite, "most_users", "assert llm_bench.most_users(cell) == 3")
    options = ("--llm-users", "1", "--llm-requests", "5", "--llm-search-time", "0.1")
    result = suite.runpytest_subprocess(*options)
    result.assert_outcomes(passed=1)
    assert (
        "tiny-sim-in16-out8-most-users: most users: 3 users (missed at 4), by 4 trials, not all "
        "confirmed by a second one (more: --llm-search-time)"
    ) in " ".join(result.stdout.str().split())
    (search,) = only_run(suite).searches()
    assert not search.confirmed


def test_a_cold_start_launches_a_server_for_each_repeat(suite: pytest.Pytester) -> None:
    ask(suite, "cold", "assert llm_bench.run(cell).valid")
    suite.runpytest_subprocess("--llm-repeats", "2").assert_outcomes(passed=1)
    launches = [run.endpoint.launch for run in only_run(suite).cell_runs()]
    assert len({launch.pid for launch in launches}) == 2
    for launch in launches:
        assert launch.first_token_s is not None
        assert launch.healthy_s is not None
        assert launch.first_token_s > launch.healthy_s > 0


def test_the_speed_at_depth_is_that_of_the_server(suite: pytest.Pytester) -> None:
    """Prefill at 500 tokens/s behind 50 ms, and a token each 5 ms; four letters are a token."""
    ask(suite, "depth", "assert llm_bench.run(cell).valid")
    path = suite.path / "models" / "tiny-sim.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("slots = 2", "prefill_tokens_per_s = 500"), encoding="utf-8")
    lengths = ("--llm-input-tokens", "400,1600", "--llm-output-tokens", "32")
    made_up = ("--llm-prompts", "synthetic")
    result = suite.runpytest_subprocess(*lengths, *made_up)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["speed at depth*", "*model * test * tokens/s *"])
    rates = {
        test: float(rate.replace(",", ""))
        for test, rate in re.findall(r"tiny-sim +(\w+ @ \w+) +([\d,.]+) ", result.stdout.str())
    }
    assert rates == {
        "pp1200 @ d400": pytest.approx(500, rel=0.02),
        "tg32 @ d400": pytest.approx(200, rel=0.02),
        "tg32 @ d1600": pytest.approx(200, rel=0.02),
    }


def test_the_prefix_cache_is_measured_off_and_on(suite: pytest.Pytester) -> None:
    """In turn 3 all but its last hundred or so of 350 tokens, at 1,000/s, are from the cache."""
    ask(suite, "traffic", "llm_bench.run(cell)")
    path = suite.path / "models" / "tiny-sim.toml"
    cache = "prefill_tokens_per_s = 1000\nprefix_cache = { tokens = 100000 }"
    path.write_text(path.read_text(encoding="utf-8").replace("slots = 2", cache), "utf-8")
    (suite.path / "talk.toml").write_text(
        'kind = "conversations"\noutput_tokens = 8\nturns = 3\nuser_tokens = [400]\n'
        "most_user_tokens = 400\n",
        encoding="utf-8",
    )
    result = suite.runpytest_subprocess(
        *("--llm-traffic", "talk.toml", "--llm-prefix-cache", "off,on"),
        *("--llm-users", "1", "--llm-requests", "2"),
    )
    result.assert_outcomes(passed=2)
    off, on = (run.cell_id for run in only_run(suite).cell_runs())
    assert (off, on) == ("tiny-sim-cacheoff-talk-users1", "tiny-sim-cacheon-talk-users1")
    said = {cell: [r for r in only_run(suite).requests(cell) if r.turn == 3] for cell in (off, on)}
    assert [r.prompt_index for r in said[off]] == [r.prompt_index for r in said[on]]
    assert {r.cached_tokens for r in said[off]} == {0}
    assert all((r.cached_tokens or 0) > 150 for r in said[on])
    result.stdout.fnmatch_lines(
        ["without and with the prefix cache*", " tiny-sim * talk-users1 * 3 *×*"]
    )


@pytest.fixture
def twin(add_model: Callable[[str, str], Path], suite: pytest.Pytester) -> pytest.Pytester:
    """The suite with a second model that takes 80 ms to the first token instead of 50."""
    path = suite.path / "models" / "tiny-sim.toml"
    text = path.read_text(encoding="utf-8").replace(*SLOTS_AND_SLO)
    path.write_text(text, encoding="utf-8")
    add_model("slow-sim", text.replace("ttft_ms = 50", "ttft_ms = 80"))
    return suite


AB = ("--llm-ab", "tiny-sim,slow-sim", "--llm-users", "1", "--llm-repeats", "4")


def test_a_slower_configuration_loses_against_the_other(twin: pytest.Pytester) -> None:
    ask(twin, "ab", "llm_versus(cell)", fixture="llm_versus")
    result = twin.runpytest_subprocess(*AB)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAIL in16-out8-users1 ttft: 50.* -> 80.* ms*"])
    order = [(run.cell.model, run.repeat) for run in only_run(twin).cell_runs()]
    assert order == [
        ("tiny-sim", 1),
        ("slow-sim", 1),
        ("slow-sim", 2),
        ("tiny-sim", 2),
        ("tiny-sim", 3),
        ("slow-sim", 3),
        ("slow-sim", 4),
        ("tiny-sim", 4),
    ]
    assert len({run.endpoint.launch.pid for run in only_run(twin).cell_runs()}) == 2


def test_turns_end_when_every_figure_is_decided(twin: pytest.Pytester) -> None:
    """80 ms against 50 is certain after a few blocks, and one decision covers both cells."""
    ask(twin, "ab", "llm_versus(cell)", fixture="llm_versus")
    result = twin.runpytest_subprocess(
        "--llm-ab", "tiny-sim,slow-sim", "--llm-duration", "0.2", "--llm-ab-time", "30"
    )
    result.stdout.fnmatch_lines(
        [
            "* llmbench: against tiny-sim *",
            "SIMULATED FAIL: slow-sim against tiny-sim: *",
            "note: * rounds of A B, B A by seed 1, * s of load: by then every figure was decided",
            "note: the server without load was paused",
            "ERROR: the gate is red",
        ]
    )
    kept = json.loads((only_run(twin).path / "verdict.json").read_text(encoding="utf-8"))
    assert {row["cell"] for row in kept["comparisons"]} == {
        "in16-out8-users1",
        "in16-out8-users2",
        "all cells",
    }


def test_turns_end_at_the_limit(twin: pytest.Pytester) -> None:
    ask(twin, "ab", "llm_versus(cell)", fixture="llm_versus")
    result = twin.runpytest_subprocess(
        *("--llm-ab", "tiny-sim,slow-sim", "--llm-users", "1"),
        *("--llm-duration", "0.2", "--llm-ab-time", "1"),
    )
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["note: 1 round *no further round fits into the limit of 1 s*"])


def test_a_command_is_compared_at_two_versions(
    add_model: Callable[[str, str], Path], suite: pytest.Pytester
) -> None:
    """The version is the time to the first token here, and would be a release elsewhere."""
    ask(suite, "ab", "llm_versus(cell)", fixture="llm_versus")
    command = [sys.executable, "-m", "llmbench.cli", "simulate", "--port", "{port}"]
    command += ["--ttft-ms", "{version}", "--ms-per-token", "5"]
    text = (suite.path / "models" / "tiny-sim.toml").read_text(encoding="utf-8")
    head, _, grid = text.partition("[server]")
    server = f'[server]\nkind = "command"\ncommand = {command}\n\n[grid]'
    add_model("engine", head + server + grid.partition("[grid]")[2])
    result = suite.runpytest_subprocess(
        *("--llm-ab", "engine@50,engine@80", "--llm-users", "1", "--llm-repeats", "4")
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAIL in16-out8-users1 ttft: 50.* -> 80.* ms*"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("tiny-sim", "--llm-ab: 'tiny-sim' is not the names of two models, as in a,b"),
        ("tiny-sim,slow-sin", "--llm-ab: unknown 'slow-sin'; did you mean 'slow-sim'?"),
        (
            "tiny-sim@1,tiny-sim@2",
            "--llm-ab: 'tiny-sim@1': a server of kind 'simulated' has no versions",
        ),
    ],
)
def test_names_of_an_unknown_pair_are_told(twin: pytest.Pytester, names: str, message: str) -> None:
    ask(twin, "ab", "llm_versus(cell)", fixture="llm_versus")
    result = twin.runpytest_subprocess("--llm-ab", names)
    assert result.ret != pytest.ExitCode.OK
    assert message in result.stdout.str() + result.stderr.str()
