"""The recipes of docs/ci.md, run as they are written: only what they install is left out."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.conftest import word_tokenizer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
INI = """
[pytest]
llm_input_tokens = 16
llm_output_tokens = 4
llm_users = 1
llm_requests = 2
llm_tolerance = ttft=60%,time_per_token=60%,throughput=50%
markers = when_named
"""
MODEL = """
title = "A simulated model under the name of a real one"
model = "tiny"
api = "openai-completions"
tokenizer = "tokenizer.json"

[server]
kind = "simulated"
ttft_ms = 200
ms_per_token = 30
"""
LEFT_OUT = ("pip", "otava", "uvx")
"""Commands of the recipes that fetch or need another package: they do nothing here."""
TOLD = "pytest benchmarks -k smollm2"


def section(heading: str) -> str:
    """The text under a heading of the page."""
    return re.split(r"^## ", PAGE.partition(f"\n## {heading}")[2], maxsplit=1, flags=re.M)[0]


def indented(heading: str) -> str:
    """The indented commands under a heading."""
    return "\n".join(re.findall(r"^    (.+)$", section(heading), re.M))


def fenced(language: str) -> Iterator[str]:
    """The blocks of the page in that language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def steps(workflow: Any) -> Iterator[str]:
    """The shell of each step of a GitHub workflow or of a GitLab job."""
    for job in workflow.get("jobs", workflow).values():
        if isinstance(job, dict):
            yield from (step["run"] for step in job.get("steps", ()) if "run" in step)
            yield from job.get("script", ())


WORKFLOWS = [yaml.safe_load(text) for text in fenced("yaml")]
SHELL = [*(step for workflow in WORKFLOWS for step in steps(workflow)), *fenced("sh")]
SHELL += [indented("Store a baseline"), indented("A history that finds slow creep")]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with our grid and gate, and a simulated model under the name in the recipes."""
    folder = tmp_path_factory.mktemp("recipes")
    models = folder / "fixtures" / "models"
    models.mkdir(parents=True)
    (models / "smollm2-135m.toml").write_text(MODEL)
    (folder / "benchmarks").mkdir()
    for name in ("test_grid.py", "test_gate.py"):
        shutil.copy(ROOT / "benchmarks" / name, folder / "benchmarks")
    report = "def pytest_llmbench_report(config, run): return run.page_file"
    (folder / "conftest.py").write_text(report)
    (folder / "pytest.ini").write_text(INI)
    (folder / "tokenizer.json").write_text(word_tokenizer())
    (folder / "bin").mkdir()
    for name in LEFT_OUT:
        (folder / "bin" / name).write_text("#!/bin/sh\n")
        (folder / "bin" / name).chmod(0o755)
    run_shell(folder, "git init --quiet && git add fixtures && git commit --quiet -m models")
    return folder


def run_shell(folder: Path, text: str) -> str:
    """Run a recipe's shell as CI does: it ends at the first command that fails."""
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    who = {f"GIT_{name}": "someone@example.org" for name in names}
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent)])
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", text],
        cwd=folder,
        env=os.environ | who | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("text", SHELL)
def test_the_shell_of_a_recipe_can_be_read(text: str) -> None:
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_workflow_has_what_its_service_asks_for() -> None:
    github, gitlab = WORKFLOWS
    assert github[True] == ["pull_request"]  # YAML 1.1 reads the key "on" so
    assert github["jobs"]["gate"]["runs-on"] == ["self-hosted", "llm-bench"]
    assert gitlab["benchmark"]["artifacts"]["reports"] == {
        "junit": "junit.xml",
        "metrics": "metrics.txt",
    }


def test_the_recipes_run_one_after_the_other(repository: Path) -> None:
    run_shell(repository, indented("Store a baseline"))
    assert "baseline of main" in run_shell(repository, "git log -1 --format=%s")
    for workflow, files in zip(
        WORKFLOWS, (["junit.xml"], ["junit.xml", "metrics.txt"]), strict=True
    ):
        for step in steps(workflow):
            told = run_shell(repository, step)
            if step.startswith(TOLD):
                assert "llmbench: against main" in told
                for name in files:
                    (repository / name).unlink()  # the step has written it
    run_shell(repository, indented("A history that finds slow creep"))
    assert (repository / "reports" / "history" / "otava.yaml").is_file()
