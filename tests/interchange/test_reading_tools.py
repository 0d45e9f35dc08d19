"""Files that the real tools wrote against a simulated server, and files that are refused.

The server's first token took 200 ms and each further one 20 ms. Files called b are of a server
planted 10 % slower; a and c are of the same one. They were cut down to what is read, and paths of
their host were taken out.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from llmbench.config import ConfigError
from llmbench.interchange.measurements import ToolMeasurement
from llmbench.interchange.tools import read_tool_file

DATA = Path(__file__).parent / "data"
FILES = {
    "vllm-c1.json": ("vLLM bench", None, "ref-users4"),
    "aiperf-a1.json": ("AIPerf", "0.13.0", "ref-users4"),
    "aiperf-a1.jsonl": ("AIPerf", None, "aiperf-requests12"),
    "guidellm-a1.json": ("GuideLLM", "0.8.1", "ref-users4"),
    "inference-perf-a1.json": ("inference-perf", None, "inference-perf-users4"),
    "servebench-a1.json": ("servebench", "1.1.3", "ref-in64-out32-users4"),
}


def measured(name: str) -> ToolMeasurement:
    """The only load of a file."""
    _, read = read_tool_file(DATA / name)
    (measurement,) = read.measurements
    return measurement


def changed(tmp_path: Path, name: str, **fields: Any) -> Path:
    """A copy of a file with other fields; a dot in a name leads into an object."""
    document = json.loads((DATA / name).read_text(encoding="utf-8"))
    for dotted, value in fields.items():
        *way, last = dotted.split("__")
        place = document
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        if value is None:
            del place[last]
        else:
            place[last] = value
    path = tmp_path / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", FILES)
def test_a_file_tells_its_tool_version_and_load(name: str) -> None:
    tool, read = read_tool_file(DATA / name)
    (cell,) = read.measurements
    assert (tool.name, read.version, cell.cell_id) == FILES[name]
    assert (cell.asked, cell.succeeded) == (12, 12)


@pytest.mark.parametrize("name", FILES)
def test_figures_are_in_our_units_and_near_the_servers_truth(name: str) -> None:
    cell = measured(name)
    assert cell.duration_s and cell.latency.mean and cell.output_tokens
    assert cell.ttft.p50 == pytest.approx(205, rel=0.1)
    assert cell.latency.p50 == pytest.approx(825, rel=0.02)
    users = cell.succeeded * cell.latency.mean / 1e3 / cell.duration_s
    assert users == pytest.approx(4, rel=0.15)
    rate = 12 * cell.output_tokens / cell.duration_s
    assert cell.output_tokens_per_s == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("name", [n for n in FILES if not n.startswith("inference")])
def test_time_per_token_leaves_the_first_token_out(name: str) -> None:
    assert measured(name).time_per_token.p50 == pytest.approx(20, rel=0.03)


def test_inference_perf_divides_by_the_tokens_of_its_own_tokenizer() -> None:
    cell = measured("inference-perf-a1.json")
    assert cell.output_tokens == 38  # the server says 32
    assert cell.time_per_token.p50 == pytest.approx(20 * 31 / 37, rel=0.01)


def test_figures_are_the_files_own() -> None:
    document = json.loads((DATA / "vllm-a1.json").read_text(encoding="utf-8"))
    cell = measured("vllm-a1.json")
    assert cell.ttft.p95 == document["p95_ttft_ms"]
    assert cell.time_per_token.p50 == document["median_tpot_ms"]


def test_percentiles_that_a_file_lacks_are_not_known(tmp_path: Path) -> None:
    assert measured("servebench-a1.json").ttft.p95 is None
    path = changed(tmp_path, "vllm-a1.json", p95_ttft_ms=None, p99_ttft_ms=None)
    _, read = read_tool_file(path)
    assert (read.measurements[0].ttft.p95, read.measurements[0].ttft.p99) == (None, None)


def test_a_detailed_vllm_file_gives_the_percentiles_that_its_summary_lacks(tmp_path: Path) -> None:
    whole = json.loads((DATA / "vllm-c1.json").read_text(encoding="utf-8"))
    gone = {f"{p}_{m}_ms": None for p in ("p95", "p99") for m in ("ttft", "tpot", "e2el")}
    _, read = read_tool_file(changed(tmp_path, "vllm-c1.json", **gone))
    (cell,) = read.measurements
    assert cell.ttft.p95 == pytest.approx(whole["p95_ttft_ms"], rel=1e-6)
    assert cell.time_per_token.p99 == pytest.approx(whole["p99_tpot_ms"], rel=1e-3)
    assert cell.latency.p95 == pytest.approx(whole["p95_e2el_ms"], rel=1e-3)


def test_the_lines_of_aiperf_give_the_figures_of_its_summary() -> None:
    lines, summary = measured("aiperf-a1.jsonl"), measured("aiperf-a1.json")
    assert lines.ttft.p50 == pytest.approx(summary.ttft.p50)
    assert lines.time_per_token.p99 == pytest.approx(summary.time_per_token.p99)
    assert lines.output_tokens == summary.output_tokens


def test_our_own_entries_in_pytest_benchmark_are_one_cell() -> None:
    tool, read = read_tool_file(DATA / "pytest-benchmark.json")
    (cell,) = read.measurements
    assert (tool.name, read.version) == ("pytest-benchmark", "5.3.1")
    assert cell.cell_id == "llama-2-70b-sim-in32-out32-users2"
    assert (cell.ttft.p50, cell.users, cell.asked) == (146.043011, 2, 8)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "newer GuideLLM": (
        "guidellm-a1.json",
        {"metadata__version": 3},
        "GuideLLM: metadata.version: layout 3; this version reads 2",
    ),
    "newer AIPerf": (
        "aiperf-a1.json",
        {"schema_version": "2.0"},
        "AIPerf: schema_version: layout 2.0; this version reads to 1.4",
    ),
    "newer servebench": (
        "servebench-a1.json",
        {"schema_version": 2},
        "servebench: schema_version: layout 2; this version reads 1",
    ),
    "vLLM bench without a field": (
        "vllm-a1.json",
        {"output_throughput": None},
        "vLLM bench: the file: Object missing required field `output_throughput`: "
        "a layout that is not known here",
    ),
    "a text for a number": (
        "inference-perf-a1.json",
        {"successes__count": "many"},
        "inference-perf: successes.count: Expected `int`, got `str`: "
        "a layout that is not known here",
    ),
    "an AIPerf run that was stopped": (
        "aiperf-a1.json",
        {"is_complete": False},
        "AIPerf: is_complete: the run did not end by itself: it was cancelled",
    ),
    "a latency in seconds": (
        "vllm-a1.json",
        {"mean_e2el_ms": 0.839},
        "vLLM bench: ttft_ms: 204.1 ms (mean) is above e2el_ms, 0.839 ms: one of them is not in "
        "the unit that its name says",
    ),
    "a time per token in seconds": (
        "vllm-a1.json",
        {"mean_tpot_ms": 0.0205},
        "vLLM bench: tpot_ms: 0.0205 ms for each of 31 further tokens, and e2el_ms is 635.2 ms "
        "longer than the TTFT: they are not in the same unit",
    ),
    "all times in seconds": (
        "aiperf-a1.json",
        {
            "time_to_first_token__avg": 0.2,
            "time_to_first_token__p50": 0.2,
            "inter_token_latency__avg": 0.02,
            "request_latency__avg": 0.82,
            "request_latency__p50": 0.82,
        },
        "AIPerf: request_latency: 12 requests of 0.82 ms in 2.491 s are 0.0039 at once, and 4 "
        "were asked for: they are not in ms",
    ),
    "a time below zero": (
        "vllm-a1.json",
        {"median_ttft_ms": -3.0},
        "vLLM bench: ttft_ms (p50): -3.0 is not a time",
    ),
    "a unit that is no time": (
        "aiperf-a1.json",
        {"time_to_first_token__unit": "tokens"},
        "AIPerf: time_to_first_token.unit: 'tokens' is not a unit of time",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_believed_is_refused_with_file_field_and_reason(
    case: str, tmp_path: Path
) -> None:
    name, fields, reason = REFUSED[case]
    path = changed(tmp_path, name, **fields)
    with pytest.raises(ConfigError) as refused:
        read_tool_file(path)
    assert str(refused.value).startswith(f"{path}: {reason}")


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text((DATA / "vllm-a1.json").read_text(encoding="utf-8")[:300], encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cut\.json: cut short or damaged, not JSON: "):
        read_tool_file(path)


def test_a_file_of_an_unknown_tool_is_refused_with_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"rps": 3, "tool": "mine"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"of no tool that is known .*: its fields are rps, tool"):
        read_tool_file(path)
