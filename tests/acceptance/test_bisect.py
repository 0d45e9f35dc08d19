"""``git bisect run`` finds the commit that made a server slower, by ``llmbench compare``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import word_tokenizer

SERVER = """
import sys
from llmbench.cli import main
main(["simulate", "--port", sys.argv[1], "--ttft-ms", "200", "--ms-per-token", "{ms}"])
"""
MODEL = f"""
title = "A server whose code is in this repository"
model = "ours"
api = "openai-completions"
tokenizer = "tokenizer.json"

[server]
kind = "command"
command = ["{sys.executable}", "server.py", "{{port}}"]

[grid]
input_tokens = [16]
output_tokens = [4]
users = [1]
requests = 2
repeats = "3"
"""
BENCHMARK = """
import pytest

@pytest.mark.llm("grid")
def test_grid(llm_bench, cell):
    assert llm_bench.run(cell).valid
"""
JUDGE = """
run="$RUNS/$(git rev-parse HEAD)"
python -m pytest -q -p no:cacheprovider --llm-run-dir "$run" || exit 125
llmbench compare "$RUNS/good" "$run" --tolerance "$TOLERANCE"
"""
TOLERANCE = "cpu_per_token=99%,ttft=30%,throughput=20%,time_per_token=40%"
"""What a busy host may move; the slower commits take twice as long for each token."""
SLOWER_FROM = 2
COMMITS = 4


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where git and the commands find what they need, and nothing of the user's own."""
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    who = {f"GIT_{name}": "someone@example.org" for name in names}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    nowhere = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return (
        os.environ
        | who
        | nowhere
        | {"PATH": path, "RUNS": str(tmp_path / "runs"), "TOLERANCE": TOLERANCE}
    )


@pytest.fixture
def repository(tmp_path: Path, environment: dict[str, str]) -> Path:
    """Four commits of a server, of which the third made it slower."""
    folder = tmp_path / "repository"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "ours.toml").write_text(MODEL)
    (folder / "tokenizer.json").write_text(word_tokenizer())
    (folder / "test_bench.py").write_text(BENCHMARK)
    (folder / "pytest.ini").write_text("[pytest]\nllm_models_dir = models\n")
    report = "def pytest_llmbench_report(config, run): return run.page_file"
    (folder / "conftest.py").write_text(report)
    (folder / ".gitignore").write_text("*\n!*.py\n!*.toml\n!*.ini\n!tokenizer.json\n!models/\n")
    git(folder, environment, "init", "--quiet")
    for number in range(COMMITS):
        ms = 30 if number < SLOWER_FROM else 60
        (folder / "server.py").write_text(f"# commit {number}\n" + SERVER.format(ms=ms))
        git(folder, environment, "add", "--all")
        git(folder, environment, "commit", "--quiet", "-m", f"commit {number}")
        git(folder, environment, "tag", str(number))
    return folder


def git(folder: Path, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_bisect_finds_the_commit(repository: Path, environment: dict[str, str]) -> None:
    git(repository, environment, "checkout", "--quiet", "0")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    good = f"--llm-run-dir={environment['RUNS']}/good"
    subprocess.run([*command, good], cwd=repository, env=environment, check=True)
    git(repository, environment, "bisect", "start", str(COMMITS - 1), "0")
    told = git(repository, environment, "bisect", "run", "sh", "-c", JUDGE)
    found = git(repository, environment, "rev-parse", "refs/bisect/bad")
    slower = git(repository, environment, "rev-parse", str(SLOWER_FROM))
    assert found == slower, told
