"""A run that is as it came, and the same with one digit changed somewhere."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from llmbench.audit import audit, reseal, seal
from llmbench.cli import main
from llmbench.config import ConfigError
from llmbench.report import write_report
from llmbench.store import RunDir
from llmbench.verdict import save_baseline
from tests.verdict.test_baselines import make_run

CELL = "m-in128-out5-users1"
FILES = (
    "run.json",
    "journal/cells.jsonl",
    f"journal/requests/{CELL}/2.0.jsonl",
    "cells.csv",
    f"requests/{CELL}.csv",
    f"digests/{CELL}/1.json",
    "index.html",
    "manifest.json",
)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run that was drawn and sealed."""
    run = make_run(tmp_path_factory.mktemp("runs") / "run", repeats=2)
    write_report(run, anew=True)
    seal(run)
    return run


@pytest.fixture
def run(sealed: RunDir, tmp_path: Path) -> RunDir:
    """A copy that a test may change."""
    shutil.copytree(sealed.path, tmp_path / "run")
    return RunDir(tmp_path / "run")


def change_a_digit(path: Path) -> None:
    """Another digit for the last one that is part of a figure with several."""
    text = path.read_text(encoding="utf-8")
    place = list(re.finditer(r"\d\d\d", text))[-1].start()
    other = "1" if text[place] != "1" else "2"
    path.write_text(text[:place] + other + text[place + 1 :], encoding="utf-8")


def test_a_run_as_it_came_has_no_finding(
    sealed: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(sealed.path)]) == 0
    assert capsys.readouterr().out.startswith("run: all follows: requests CSV and Parquet")


@pytest.mark.parametrize("name", FILES)
def test_one_digit_that_was_changed_anywhere_is_found(
    name: str, run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    change_a_digit(run.path / name)
    try:
        assert main(["audit", str(run.path)]) == 1
    except ConfigError as error:
        pytest.fail(str(error))
    assert name in capsys.readouterr().out or name == "manifest.json"


def test_without_a_manifest_a_figure_must_still_follow_from_the_journal(run: RunDir) -> None:
    (run.path / "manifest.json").unlink()
    path = run.path / "cells.csv"
    text = path.read_text(encoding="utf-8")
    ttft = "50.5"
    assert ttft in text
    path.write_text(text.replace(ttft, "40.5", 1), encoding="utf-8")
    outcome = audit(run.path)
    assert outcome.findings[0] == "manifest.json: missing: nothing shows changes"
    assert any(
        f.startswith("cells.csv: row ") and f.endswith("and the journal gives 50.5")
        for f in outcome.findings
    )


def test_a_stamp_that_contradicts_the_others_is_found(run: RunDir) -> None:
    path = run.journal_file(CELL, 1)
    lines = path.read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[0])
    record["first_token_ns"] += 5_000_000
    path.write_text("\n".join([json.dumps(record), *lines[1:]]) + "\n", encoding="utf-8")
    name = f"journal: {CELL} repeat 1 user 0 request 1: "
    findings = audit(run.path).findings
    assert f"{name}first_token_ns is not the moment of the first of event_ns" in findings


def test_files_that_came_or_went_are_found(run: RunDir) -> None:
    (run.path / "cells.csv").unlink()
    (run.path / "requests" / "other.csv").write_text("request\n", encoding="utf-8")
    (run.path / "journal" / "more.jsonl").write_text("", encoding="utf-8")
    assert {
        "cells.csv: removed since the run ended",
        "cells.csv: missing",
        "requests/other.csv: does not come from the journal",
        "journal/more.jsonl: added since the run ended",
    } <= {*audit(run.path).findings}


def test_drawing_again_renews_no_hash_of_a_source(run: RunDir) -> None:
    change_a_digit(run.journal_file(CELL, 1))
    write_report(run, anew=True)
    reseal(run)
    (finding, *_) = audit(run.path).findings
    assert finding == f"journal/requests/{CELL}/1.0.jsonl: changed since the run ended"


def test_a_baseline_is_held_against_the_run_it_came_from(run: RunDir, tmp_path: Path) -> None:
    baseline = save_baseline(tmp_path, "run", run)
    assert audit(run.path, baseline).findings == ()
    text = baseline.read_text(encoding="utf-8")
    baseline.write_text(text.replace("50.5", "40.5", 1), encoding="utf-8")
    findings = audit(run.path, baseline).findings
    assert findings == (f"run.json: {CELL}: metrics: ttft[0]: 40.5, and the journal gives 50.5",)


def test_a_run_may_have_another_name_by_now(run: RunDir) -> None:
    moved = run.path.rename(run.path.with_name("elsewhere"))
    assert audit(moved).findings == ()


def test_a_verdict_that_its_rows_do_not_give_is_found(run: RunDir) -> None:
    rows = '{"baseline": "main", "run": "run", "state": "PASS", "failed": false}'
    (run.path / "verdict.json").write_text(rows, encoding="utf-8")
    seal(run)
    assert "verdict.json: state: PASS, and its rows give MISSING" in audit(run.path).findings


def test_prompts_that_the_run_does_not_name_are_found(run: RunDir) -> None:
    path = run.info_file
    told = json.loads(path.read_text(encoding="utf-8"))
    told["prompts"] = {"tok": {"lengths": {"128": {"sha256": "ab" * 32}}}}
    path.write_text(json.dumps(told), encoding="utf-8")
    assert any("are not among those of run.json" in f for f in audit(run.path).findings)


def test_a_zip_of_a_run_is_audited(sealed: RunDir, tmp_path: Path) -> None:
    path = tmp_path / "run.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sealed.path.rglob("*"):
            archive.write(file, Path("run") / file.relative_to(sealed.path))
    assert audit(path).findings == ()
    path.write_bytes(b"PK no")
    with pytest.raises(ConfigError, match=r"run\.zip: not a ZIP that can be read"):
        audit(path)
