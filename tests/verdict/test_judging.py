from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from llmbench.cells import Users
from llmbench.config import ModelConfig, RemoteServer, Slo
from llmbench.journal import Journal
from llmbench.records import RequestRecord
from llmbench.store import RunDir, RunInfo
from llmbench.verdict.judging import judge_anew, judged_cells, results, undigested
from llmbench.verdict.repeat_digest import RepeatDigest, keep_digest
from tests.metrics.making import back_to_back, cell_run


def run_dir(path: Path, *models: ModelConfig) -> RunDir:
    run = RunDir(path)
    info = RunInfo(0, (), 7, "0", 1, None, None, {}, {}, models)
    run.write_info(info)
    return run


def model(**fields: Any) -> ModelConfig:
    whole = {
        "title": "m",
        "model": "m",
        "api": "x",
        "tokenizer": "t",
        "server": RemoteServer("http://127.0.0.1:1"),
        **fields,
    }
    return ModelConfig(name="m", **whole)


def journal(run: RunDir, records: list[RequestRecord], worker: int = 0) -> None:
    first = records[0]
    with Journal(run.journal_file(first.cell, first.repeat, worker)) as file:
        for record in records:
            file.append(record)


def test_every_repeat_of_every_cell_is_judged(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    for repeat in (1, 2):
        journal(run, back_to_back(5, repeat=repeat))
        run.append_cell_run(cell_run(repeat=repeat))
    found = results(run)
    assert [(r.summary.repeat, r.summary.requests, r.valid) for r in found] == [
        (1, 5, True),
        (2, 5, True),
    ]


def test_the_models_slo_is_applied(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model(slo=Slo(ttft_ms={"p50": 10.0})))
    journal(run, back_to_back(5))
    run.append_cell_run(cell_run())
    assert not results(run)[0].meets_slo


def test_workers_files_are_one_cell(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    for worker in (0, 1):
        journal(run, back_to_back(5, user=worker, worker=worker), worker)
    run.append_cell_run(cell_run(Users(2), workers=2))
    assert results(run)[0].summary.requests == 10


def test_a_cell_that_did_not_end_is_rebuilt_and_invalid(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    run.append_cell_start(structs.replace(cell_run(), ended_ns=0))
    journal(run, back_to_back(3))
    (cell,) = judged_cells(run)
    assert cell.runs[0].cell == cell_run().cell
    assert cell.runs[0].ended_ns == max(record.done_ns for record in run.requests())
    assert cell.results[0].stamp == "INVALID"
    assert [p.rule for p in cell.results[0].problems] == ["did_not_end"]


def test_an_unfinished_repeat_stands_beside_finished_ones(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    for repeat in (1, 2):
        run.append_cell_start(cell_run(repeat=repeat))
        journal(run, back_to_back(5, repeat=repeat))
    run.append_cell_run(cell_run())
    assert [(r.summary.repeat, r.valid) for r in results(run)] == [(1, True), (2, False)]


def test_a_cell_that_was_killed_before_its_first_answer_is_shown(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    run.append_cell_start(cell_run())
    (result,) = results(run)
    assert [p.rule for p in result.problems] == ["did_not_end", "no_requests"]


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    run.append_cell_start(cell_run())
    journal(run, back_to_back(3))
    with run.journal_file("m-in128-out5-users1", 1).open("ab") as file:
        file.write(b'{"cell": "m-in')
    assert results(run)[0].summary.requests == 3


def test_an_empty_run_has_no_results(tmp_path: Path) -> None:
    assert results(run_dir(tmp_path)) == []


def test_one_cell_can_be_asked_for(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    for name in ("m-in128-out5-users1", "m-in128-out5-users2"):
        journal(run, back_to_back(5, cell=name))
        run.append_cell_run(cell_run(cell_id=name))
    (cell,) = judged_cells(run, "m-in128-out5-users2")
    assert cell.cell_id == "m-in128-out5-users2"


def test_a_folder_that_is_no_cell_is_passed_over(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    journal(run, [structs.replace(r, cell="stray") for r in back_to_back(2)])
    assert results(run) == []


def digested(path: Path) -> tuple[RunDir, RepeatDigest]:
    """A run of one repeat with its digest kept."""
    run = run_dir(path, model())
    journal(run, back_to_back(5))
    run.append_cell_run(cell_run())
    ((digest, requests),) = judge_anew(run)
    assert len(requests) == 5
    keep_digest(run, digest)
    return run, digest


def test_a_digest_is_read_instead_of_the_journal(tmp_path: Path) -> None:
    run, digest = digested(tmp_path)
    run.journal_file(digest.run.cell_id, 1).unlink()
    assert undigested(run) == []
    (cell,) = judged_cells(run)
    assert cell.repeats == (digest,)


def test_a_cell_with_a_repeat_without_a_digest_is_judged_from_the_journal(tmp_path: Path) -> None:
    run, digest = digested(tmp_path)
    journal(run, back_to_back(2, repeat=2))
    run.append_cell_start(cell_run(repeat=2))
    assert undigested(run) == [digest.run.cell_id]
    assert [(r.summary.repeat, r.summary.requests) for r in results(run)] == [(1, 5), (2, 2)]
    assert not run.digest_file(digest.run.cell_id, 2).exists()


@pytest.mark.parametrize("text", [b"", b"{}", b'{"run": 1'])
def test_a_damaged_digest_is_none(tmp_path: Path, text: bytes) -> None:
    run, digest = digested(tmp_path)
    run.digest_file(digest.run.cell_id, 1).write_bytes(text)
    assert undigested(run) == [digest.run.cell_id]
    assert results(run) == [digest.result]


def test_a_digest_of_another_version_is_made_again(tmp_path: Path) -> None:
    run, digest = digested(tmp_path)
    keep_digest(run, structs.replace(digest, harness="0.0.9"))
    assert undigested(run) == [digest.run.cell_id]


def test_a_digest_made_while_the_repeat_ran_is_made_again(tmp_path: Path) -> None:
    run = run_dir(tmp_path, model())
    journal(run, back_to_back(3))
    run.append_cell_start(structs.replace(cell_run(), ended_ns=cell_run().started_ns))
    ((digest, _),) = judge_anew(run)
    keep_digest(run, digest)
    assert undigested(run) == []
    run.append_cell_run(structs.replace(cell_run(), client_cpu_ns=1))
    assert undigested(run) == [digest.run.cell_id]
