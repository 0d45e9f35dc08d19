"""A cell that is measured alone gets the same server as with the whole grid."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmbench.store import RunDir

ENGINE = f"""
title = "A command that must be told its slots"
model = "tiny"
api = "openai-completions"
tokenizer = "tokenizer.json"

[server]
kind = "command"
command = ["{sys.executable}", "-m", "llmbench.cli", "simulate", "--ttft-ms", "5",
           "--ms-per-token", "1", "--port", "{{port}}", "--slots", "{{slots}}"]
cores = 1
slots = 2

[grid]
input_tokens = [16]
output_tokens = [4]
users = [1, 6]
requests = 2
"""


@pytest.mark.parametrize(
    ("chosen", "cells"), [("test_grid and users1", ["users1"]), ("test_grid", ["users1", "users6"])]
)
def test_slots_follow_the_whole_grid(
    suite: pytest.Pytester, add_model: Callable[[str, str], Path], chosen: str, cells: list[str]
) -> None:
    add_model("told", ENGINE)
    suite.runpytest_inprocess("-k", f"told and {chosen}")
    (run,) = (p for p in (suite.path / "reports" / "runs").iterdir() if not p.is_symlink())
    ended = RunDir.open(run).cell_runs()
    assert [cell.cell_id for cell in ended] == [f"told-in16-out4-{name}" for name in cells]
    for cell in ended:
        assert '"--slots","6"' in " ".join(cell.endpoint.launch.command)
