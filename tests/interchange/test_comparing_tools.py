"""Files of other tools under the gate: the verdict, its words and status, baselines, refusals."""

import json
from pathlib import Path

import pytest

from llmbench.cli import main
from llmbench.config import ConfigError
from llmbench.interchange import compare_sides, import_files
from tests.interchange.test_reading_tools import DATA, changed

NAMES = ("vllm", "aiperf", "guidellm", "inference-perf")


def files(tool: str, side: str) -> list[Path]:
    """The three files of a side."""
    return [DATA / f"{tool}-{side}{number}.json" for number in (1, 2, 3)]


@pytest.mark.parametrize("tool", NAMES)
def test_a_server_planted_10_percent_slower_is_red(tool: str) -> None:
    verdict = compare_sides(files(tool, "a"), files(tool, "b"), launch_allowance="0%")
    failed = {row.metric: row.change for row in verdict.regressions}
    assert verdict.state == "FAIL"
    assert failed["time_per_token"] == pytest.approx(0.1, abs=0.01)
    assert failed["ttft"] == pytest.approx(0.09, abs=0.015)


@pytest.mark.parametrize("tool", NAMES)
def test_the_same_server_is_green(tool: str) -> None:
    verdict = compare_sides(files(tool, "a"), files(tool, "c"), launch_allowance="0%")
    assert not verdict.failed
    assert not verdict.regressions


def test_files_of_one_launch_fail_no_change_that_launches_may_explain() -> None:
    verdict = compare_sides(files("vllm", "a"), files("vllm", "b"))
    assert verdict.state == "INCONCLUSIVE"
    assert any("--launch-per-file says that each file's server was" in n for n in verdict.notes)


def test_servers_that_were_launched_for_each_file_show_their_launches() -> None:
    sides = files("servebench", "a"), files("servebench", "b")
    verdict = compare_sides(*sides, launch_per_file=True)
    assert verdict.state == "FAIL"
    token = next(row for row in verdict.comparisons if row.metric == "time_per_token")
    assert token.change == pytest.approx(0.1, abs=0.02)
    assert not any("rests on one launch" in note for note in verdict.notes)


def test_the_definition_of_a_tool_is_said_once() -> None:
    verdict = compare_sides(files("guidellm", "a"), files("guidellm", "b"))
    said = [note for note in verdict.notes if note.startswith("GuideLLM: ")]
    assert said == [
        "GuideLLM: time_per_token is its inter_token_latency_ms, and its percentiles are of "
        "tokens, not of requests; its time_per_output_token_ms counts the first token and is not "
        "compared"
    ]


def test_single_files_have_low_power_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    old, new = (str(files("vllm", side)[0]) for side in "ab")
    assert main(["compare", old, new]) == 125
    told = capsys.readouterr().out
    assert "low power: fewer than 3 repeats" in told
    assert "give five files for each side" in told


def test_the_command_ends_with_the_gates_status_and_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = ([str(path) for path in files("vllm", side)] for side in "ab")
    arguments = ["--launch-allowance", "0%"]
    assert main(["compare", *old, "--against", *new, *arguments]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == (
        "FAIL: vllm-b1.json, vllm-b2.json, vllm-b3.json against vllm-a1.json, vllm-a2.json, "
        "vllm-a3.json: 3 FAIL, 0 INCONCLUSIVE, 1 PASS"
    )
    assert told[2].startswith("FAIL ref-users4 time_per_token: 20.01 -> 22.01 ms, +10.0%")
    assert main(["compare", *old, "--against", *new, *arguments, "--format", "md"]) == 1
    assert "| **FAIL** | `ref-users4` | time_per_token |" in capsys.readouterr().out
    assert main(["compare", *old, "--against", *new, *arguments, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "FAIL"


def test_more_than_two_files_need_to_say_which_are_new(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *map(str, files("vllm", "a"))]) == 125
    assert capsys.readouterr().err == (
        "llmbench: compare: 3 files: give OLD and NEW, or OLD … --against NEW …\n"
    )


def test_an_imported_baseline_is_stamped_and_compared(tmp_path: Path) -> None:
    path = import_files(files("aiperf", "a"), tmp_path, "main")
    stored = json.loads(path.read_text(encoding="utf-8"))
    stamp = stored["fingerprint"]["tool"], stored["fingerprint"]["tool.version"]
    assert stamp == ("AIPerf", "0.13.0")
    assert stored["cells"]["ref-users4"]["repeats"] == 3
    verdict = compare_sides([path], files("aiperf", "b"), launch_allowance="0%")
    assert (verdict.state, verdict.baseline) == ("FAIL", "main")


def test_a_baseline_of_one_tool_refuses_files_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = ["--save-baseline", "main", "--baselines-dir", str(tmp_path)]
    assert main(["import", *map(str, files("vllm", "a")), *stored]) == 0
    path = capsys.readouterr().out.strip()
    assert main(["compare", path, "--against", *map(str, files("guidellm", "a"))]) == 125
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("REFUSED: guidellm-a1.json, ")
    assert told[1] == "  tool: vLLM bench -> GuideLLM"


def test_another_version_of_the_tool_is_a_warning(tmp_path: Path) -> None:
    other = [changed(tmp_path, p.name, aiperf_version="0.14.0") for p in files("aiperf", "a")]
    verdict = compare_sides(files("aiperf", "a"), other)
    assert verdict.state == "PASS"
    assert verdict.warnings == ("tool.version: 0.13.0 -> 0.14.0",)


def test_files_of_two_tools_or_versions_are_no_side(tmp_path: Path) -> None:
    mixed = [*files("vllm", "a"), *files("aiperf", "a")]
    with pytest.raises(ConfigError, match=r"aiperf-a1\.json: written by AIPerf 0\.13\.0, and .*"):
        compare_sides(mixed, files("vllm", "b"))


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("vllm-b1.json", {"num_prompts": 24}, "num_prompts: 24, and "),
        ("vllm-b1.json", {"max_concurrency": 8}, "max_concurrency: 8, and "),
        ("vllm-b1.json", {"total_output_tokens": 768}, "output_tokens: 64 a request, and "),
        (
            "guidellm-b1.json",
            {"benchmarks__0__config__strategy__streams": 3},
            "load: users3, and ",
        ),
    ],
)
def test_two_loads_are_refused_with_file_and_field(
    name: str, fields: dict[str, object], reason: str, tmp_path: Path
) -> None:
    other = changed(tmp_path, name, **fields)
    tool = name.split("-", maxsplit=1)[0]
    with pytest.raises(ConfigError) as refused:
        compare_sides(files(tool, "a"), [other])
    assert str(refused.value).startswith(f"{name}: {reason}")
    assert str(refused.value).endswith("two loads")
    with pytest.raises(ConfigError) as refused:
        compare_sides(files(tool, "a"), [DATA / name, other])
    assert str(refused.value).startswith(f"{other}: {reason}")


def test_a_file_whose_requests_failed_is_an_invalid_repeat(tmp_path: Path) -> None:
    lost = {"failed": 4, "completed": 8, "total_input_tokens": 613, "total_output_tokens": 256}
    verdict = compare_sides(
        [changed(tmp_path, "vllm-a1.json", **lost), *files("vllm", "a")[1:]], files("vllm", "b")
    )
    assert verdict.notes[0] == (
        "ref-users4: 1 INVALID repeats of vllm-a1.json, vllm-a2.json, vllm-a3.json left out: "
        "33.3% of 12 requests failed, limit 5%: the times are of the rest"
    )


def test_a_run_has_its_repeats_in_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has its repeats in it; give it alone for its side"):
        compare_sides([tmp_path, DATA / "vllm-a1.json"], files("vllm", "b"))
