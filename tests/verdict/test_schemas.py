"""Files of real runs, held against the JSON Schemas that are shipped."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from llmbench.cli import main
from llmbench.report import kept_verdict
from llmbench.verdict.gate.comparing import compare
from llmbench.verdict.gate.samples.baselines import save_baseline
from tests.verdict.test_baselines import make_run, on_cpu

OLD = Path(__file__).parent / "written_by_0_1_0"


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((files("llmbench") / "schemas" / f"{name}.v1.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", sorted(OLD.rglob("run.json")))
def test_a_run_of_0_1_0_is_valid(path: Path) -> None:
    validator("run").validate(json.loads(path.read_text()))


def test_a_run_is_valid(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    validator("run").validate(json.loads(run.info_file.read_text()))


def test_a_baseline_is_valid(tmp_path: Path) -> None:
    path = save_baseline(tmp_path / "baselines", "main", on_cpu(make_run(tmp_path / "run")))
    validator("baseline").validate(json.loads(path.read_text()))


@pytest.mark.parametrize("host", ["cpu0", "another"])
def test_a_comparison_is_valid(
    tmp_path: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = make_run(tmp_path / "a"), make_run(tmp_path / "b", slower=1.2, host=host)
    main(["compare", str(old.path), str(new.path), "--format", "json"])
    validator("comparison").validate(json.loads(capsys.readouterr().out))
    kept_verdict(new, compare(old.path, new.path))
    validator("comparison").validate(json.loads((new.path / "verdict.json").read_text()))


@pytest.mark.parametrize("name", ["run", "baseline", "comparison"])
def test_another_file_is_not_valid(name: str) -> None:
    other: Any = {"started_ns": "yesterday", "cells": [], "state": "FINE"}
    with pytest.raises(ValidationError):
        validator(name).validate(other)


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "run"]) == 0
    shipped = (files("llmbench") / "schemas" / "run.v1.json").read_text()
    assert capsys.readouterr().out == shipped
