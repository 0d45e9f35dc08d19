"""A run packed to be published: what is in the ZIP, and what is never."""

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from llmbench.audit import audit
from llmbench.cli import main
from llmbench.store import RunDir
from tests.verdict.test_baselines import make_run

HOST = "bench-07.example.net"
SECRET = "s3cr3t-value-of-a-key"


def a_run(path: Path, **host: Any) -> RunDir:
    """A run with a host's name, a user's name and secrets where they may come in."""
    run = make_run(path, repeats=1)
    info = run.info()
    command = ("pytest", f"--llm-url=http://{HOST}:8000", "/home/jane/benchmarks")
    notes = (f"key {SECRET}", "Bearer abcdefghijkl0123", "hf_abcdefghijklmnopqrstuvwx")
    host = {"hostname": HOST, "cpu": "cpu0"} | host
    run.write_info(structs.replace(info, host=host, command=command, notes=notes))
    run.logs.mkdir(parents=True)
    (run.logs / "server.log").write_text(f"listening on {HOST}\n", encoding="utf-8")
    return run


def contents(path: Path) -> dict[str, str]:
    """The text of each file of a ZIP."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        return {name: archive.read(name).decode("utf-8", "replace") for name in names}


def test_no_secret_no_host_and_no_user_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", SECRET)
    run, file = a_run(tmp_path / "run"), tmp_path / "out.zip"
    assert main(["pack", str(run.path), "--out", str(file)]) == 0
    texts = contents(file)
    for word in (HOST, SECRET, "abcdefghijkl", "jane"):
        assert [name for name, text in texts.items() if word in text] == []
    assert not any("logs/" in name for name in texts)
    told = capsys.readouterr().out
    assert re.search(r"^  cells\.csv \(\d+ bytes\)$", told, re.MULTILINE)
    assert "secrets: 3 replaced" in told
    assert "logs of servers: left out (--logs packs them)" in told
    assert "prompts: by hash only (--prompts packs them)" in told


def test_what_was_packed_passes_an_audit(tmp_path: Path) -> None:
    run, file = a_run(tmp_path / "run"), tmp_path / "out.zip"
    assert main(["pack", str(run.path), "--out", str(file)]) == 0
    assert audit(file).findings == ()


def test_host_names_and_logs_are_in_it_where_asked_for(tmp_path: Path) -> None:
    run, file = a_run(tmp_path / "run"), tmp_path / "out.zip"
    assert main(["pack", str(run.path), "--out", str(file), "--hosts", "--logs"]) == 0
    texts = contents(file)
    assert HOST in texts["run/run.json"]
    assert HOST in texts["run/logs/server.log"]


def test_a_host_whose_name_is_a_word_spoils_no_other(tmp_path: Path) -> None:
    run, file = a_run(tmp_path / "run", hostname="server"), tmp_path / "out.zip"
    assert main(["pack", str(run.path), "--out", str(file)]) == 0
    assert audit(file).findings == ()
    assert '"hostname": "host"' in contents(file)["run/run.json"]


def test_prompts_are_in_it_by_choice(tmp_path: Path) -> None:
    run, file = a_run(tmp_path / "run"), tmp_path / "out.zip"
    folder = tmp_path / "prompts-of-it"
    folder.mkdir()
    (folder / "Dataset_128.csv").write_text("prompt\nhello\n", encoding="utf-8")
    run.write_info(structs.replace(run.info(), prompts={"tok": {"folder": str(folder)}}))
    assert main(["pack", str(run.path), "--out", str(file), "--prompts"]) == 0
    assert "hello" in contents(file)["run/prompts/prompts-of-it/Dataset_128.csv"]
    assert audit(file).findings == ()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, file = a_run(tmp_path / "run"), tmp_path / "out.zip"
    file.write_text("mine", encoding="utf-8")
    assert main(["pack", str(run.path), "--out", str(file)]) == 2
    assert "is there already; name another file with --out" in capsys.readouterr().err
