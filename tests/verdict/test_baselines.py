"""From a run's directory to a baseline and back to a verdict."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from llmbench.cells import Users
from llmbench.config import ConfigError, ModelConfig, SimulatedServer
from llmbench.journal import Journal
from llmbench.records import CellRun, Endpoint, Launch
from llmbench.store import RunDir, RunInfo
from llmbench.verdict.gate.comparing import compare, decided, gate_run
from llmbench.verdict.gate.samples.baselines import sample_of, save_baseline
from llmbench.verdict.gate.wording import lines
from llmbench.verdict.judging import results
from tests.metrics.making import START_NS, back_to_back, cell_run, failure

MODEL = ModelConfig("m", "M", "m", "openai-completions", "tok", SimulatedServer())


def make_run(
    path: Path, *, slower: float = 1.0, repeats: int = 5, host: str = "cpu0", **fields: Any
) -> RunDir:
    """A run of one cell whose repeats differ by 1 %."""
    run = RunDir(path)
    run.write_info(RunInfo(0, (), 7, "0", 1, "abc", False, {"cpu": host}, {}, (MODEL,)))
    for repeat in range(1, repeats + 1):
        factor = slower * (1 + 0.01 * (repeat % 3))
        records = back_to_back(5, ttft_ms=50 * factor, gap_ms=20 * factor, repeat=repeat, **fields)
        with Journal(run.journal_file(records[0].cell, repeat)) as journal:
            for record in records:
                journal.append(record)
        run.append_cell_run(cell_run(repeat=repeat))
    return run


def test_a_run_against_its_own_baseline_passes(tmp_path: Path) -> None:
    path = save_baseline(tmp_path / "baselines", "main", make_run(tmp_path / "old"))
    assert path == tmp_path / "baselines" / "main.json"
    verdict = gate_run(tmp_path / "baselines", "main", make_run(tmp_path / "new"))
    assert verdict.state == "PASS", lines(verdict)
    assert {r.metric: r.repeats for r in verdict.comparisons if r.gating} == {
        "ttft": (5, 5),
        "time_per_token": (5, 5),
        "throughput": (5, 5),
        "failed": (0, 0),
        "dropped": (0, 0),
        "resent": (0, 0),
        "off_length": (0, 0),
    }


def test_a_slower_server_fails(tmp_path: Path) -> None:
    verdict = compare(make_run(tmp_path / "a").path, make_run(tmp_path / "b", slower=1.2).path)
    assert [row.metric for row in verdict.regressions] == ["ttft", "time_per_token", "throughput"]
    assert lines(verdict)[1].startswith(
        "FAIL m-in128-out5-users1 ttft: 50.5 -> 60.6 ms, +20.0% (+18.8% to +21.2%), limit +5%"
    )


def test_a_run_can_be_compared_with_a_baselines_file(tmp_path: Path) -> None:
    path = save_baseline(tmp_path, "main", make_run(tmp_path / "a"))
    assert compare(path, make_run(tmp_path / "b").path).state == "PASS"


def test_another_host_is_refused_and_can_be_compared_anyway(tmp_path: Path) -> None:
    old, new = make_run(tmp_path / "a").path, make_run(tmp_path / "b", host="cpu1").path
    assert compare(old, new).differences == ("host.cpu: cpu0 -> cpu1",)
    assert compare(old, new, anyway=True).state == "PASS"


def test_a_run_with_an_invalid_cell_is_no_baseline(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", error_kind="cut")
    with pytest.raises(ConfigError, match=r"not stored, a baseline must be valid\nm-in128-out5-us"):
        save_baseline(tmp_path, "main", run)
    assert not (tmp_path / "main.json").exists()


def test_an_empty_run_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the run has no cells"):
        save_baseline(tmp_path, "main", make_run(tmp_path / "a", repeats=0))


def test_the_fingerprint_names_what_must_be_the_same(tmp_path: Path) -> None:
    found = sample_of(make_run(tmp_path / "a")).fingerprint
    assert found["model.m.tokenizer"] == "tok"
    assert found["cell.m-in128-out5-users1.prompts"] == "sha"
    assert {"host.cpu", "seed", "harness.measuring_version", "model.m.server"} <= set(found)


def test_how_requests_are_sent_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    old, new = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    for run in new.cell_runs():
        client = structs.replace(run.endpoint.client, stream=False, request_timeout_s=60.0)
        endpoint = structs.replace(run.endpoint, client=client)
        new.append_cell_run(structs.replace(run, endpoint=endpoint, warmup_per_user=0, workers=2))
    verdict = compare(old.path, new.path)
    assert [text.rpartition(".")[2].partition(":")[0] for text in verdict.differences] == [
        "client",
        "warmup",
        "workers",
    ]
    (warning,) = verdict.warnings
    assert warning.startswith("cell.m-in128-out5-users1.timeouts: ")


def test_what_went_wrong_is_counted_also_in_repeats_that_it_made_invalid(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    with Journal(run.journal_file("m-in128-out5-users1", 3)) as journal:
        journal.append(failure(700.0, repeat=3))  # one of six: over 5 %, INVALID
    (found,) = sample_of(run).cells.values()
    assert (found.repeats, found.invalid) == (4, 1)
    assert found.counts == {
        "failed": [1, 26],
        "dropped": [0, 26],
        "resent": [0, 26],
        "off_length": [0, 25],
    }


def test_a_run_and_a_baseline_of_version_0_1_0_are_read_and_told() -> None:
    folder = Path(__file__).parent / "written_by_0_1_0"
    run = RunDir.open(folder / "run")
    assert [(r.valid, r.summary.succeeded, r.slo) for r in results(run)] == [
        (True, 4, "undecided")
    ] * 3
    verdict = compare(folder / "baseline.json", run.path, launch_allowance="0%")
    assert lines(verdict) == [
        "PASS: run against baseline: 0 FAIL, 0 INCONCLUSIVE, 3 PASS",
        "note: baseline was stored by pytest-llmbench 0.1.0, which counted no failed or dropped "
        "requests and no lengths of outputs: store it again to gate them",
        "warning: client, request, timeouts, warmup, workers of the cells: told by one side only: "
        "this may move the numbers",
    ]


def test_prompts_and_image_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    def changed(run: CellRun) -> CellRun:
        launch = Launch("docker", 0, image_digest="sha256:1")
        endpoint = Endpoint("", "", "", simulated=False, launch=launch)
        return structs.replace(run, prompts_sha256="other", endpoint=endpoint)

    old, new = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    for run in new.cell_runs():
        new.append_cell_run(changed(run))
    assert compare(old.path, new.path).differences == (
        "cell.m-in128-out5-users1.image_digest: none -> sha256:1",
        "cell.m-in128-out5-users1.prompts: sha -> other",
    )


def test_repeats_stop_once_decided(tmp_path: Path) -> None:
    save_baseline(tmp_path, "main", make_run(tmp_path / "old"))
    same = results(make_run(tmp_path / "same", repeats=3))
    assert decided(tmp_path, "main", same, cells=1)
    assert not decided(tmp_path, "main", same[:2], cells=1)
    assert not decided(tmp_path, "main", [], cells=1)
    worse = results(make_run(tmp_path / "worse", slower=1.03, repeats=3))
    assert not decided(tmp_path, "main", worse, cells=1)


def test_a_cell_that_the_baseline_lacks_needs_no_repeats(tmp_path: Path) -> None:
    save_baseline(tmp_path, "main", make_run(tmp_path / "old"))
    first = results(make_run(tmp_path / "new", repeats=1))[0]
    other = structs.replace(first, summary=structs.replace(first.summary, cell_id="other"))
    assert decided(tmp_path, "main", [other], cells=1)


def test_a_cold_start_can_be_gated(tmp_path: Path) -> None:
    def started(run: CellRun, slower: float) -> CellRun:
        launch = Launch(
            "process",
            run.repeat,
            healthy_s=1.0 * slower,
            first_token_s=1.2 * slower,
            peak_memory_bytes=200 * 2**20,
        )
        endpoint = Endpoint("", "", "", simulated=False, launch=launch)
        cell = structs.replace(run.cell, shape=Users(1, cold=True))
        return structs.replace(run, cell=cell, endpoint=endpoint)

    old, new = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    for side, slower in ((old, 1.0), (new, 1.5)):
        for run in side.cell_runs():
            side.append_cell_run(started(run, slower))
    verdict = compare(old.path, new.path)
    assert [row.metric for row in verdict.regressions] == ["cold_healthy", "cold_first_token"]
    assert "cold_first_token: 1.2 -> 1.8 s, +50.0% " in lines(verdict)[2]


def test_repeats_that_share_a_launch_are_one_cold_start(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    for one in run.cell_runs():
        cell = structs.replace(one.cell, shape=Users(1, cold=True))
        launch = Launch("process", 0, healthy_s=1.0)
        endpoint = structs.replace(one.endpoint, launch=launch)
        run.append_cell_run(structs.replace(one, cell=cell, endpoint=endpoint))
    (cell_found,) = sample_of(run).cells.values()
    assert cell_found.metrics["cold_healthy"] == [1.0]
    assert cell_found.metrics["cold_peak_memory"] == [None]
    assert len(cell_found.metrics["ttft"]) == 5


def on_cpu(run_dir: RunDir, cores: float = 0.5) -> RunDir:
    """The same run on a server that computes on the CPU and keeps `cores` busy."""
    for run in run_dir.cell_runs():
        launch = structs.replace(run.endpoint.launch, computes_on="cpu")
        readings = ((START_NS, 0), (START_NS + 10**10, round(cores * 10**10)))
        endpoint = structs.replace(run.endpoint, launch=launch)
        run_dir.append_cell_run(structs.replace(run, endpoint=endpoint, server_cpu_ns=readings))
    return run_dir


def test_a_server_that_computes_more_for_each_token_fails(tmp_path: Path) -> None:
    old, new = on_cpu(make_run(tmp_path / "a")), on_cpu(make_run(tmp_path / "b"), 0.6)
    verdict = compare(old.path, new.path)
    assert [row.metric for row in verdict.regressions] == ["cpu_per_token"]
    assert lines(verdict)[1].startswith(
        "FAIL m-in128-out5-users1 cpu_per_token: 13.13 -> 15.76 ms, +20.0% "
    )


def test_a_baseline_without_cpu_time_is_compared_without_it(tmp_path: Path) -> None:
    old, new = make_run(tmp_path / "a"), on_cpu(make_run(tmp_path / "b"))
    verdict = compare(old.path, new.path)
    assert verdict.state == "PASS"
    assert "cpu_per_token" not in {row.metric for row in verdict.comparisons}


def test_cpu_time_that_is_no_longer_known_is_missing(tmp_path: Path) -> None:
    verdict = compare(on_cpu(make_run(tmp_path / "a")).path, make_run(tmp_path / "b").path)
    assert [(f.state, f.message) for f in verdict.faults] == [
        ("MISSING", "cpu_per_token is known in a and not in this run")
    ]
