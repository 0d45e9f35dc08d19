"""tox knows every model without a list of its own, and says what it can run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODELS = {path.stem for path in (ROOT / "fixtures" / "models").glob("*.toml")}
PYTHONS = {f"py3{minor}-pytest{pytest}" for minor in (11, 12, 13) for pytest in ("min", "latest")}


def tox(*arguments: str) -> str:
    """What tox prints."""
    command = [sys.executable, "-m", "tox", "--root", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_list_has_every_model_and_no_words_of_names() -> None:
    assert MODELS
    ours = {"lint", "tests", "fix", "pkg", "engines", "smollm2"}
    assert set(tox("list", "--no-desc", "-q").split()) == MODELS | PYTHONS | ours


@pytest.mark.parametrize("word", ["70b", "tgi", "sim", "llama"])
def test_a_word_of_a_name_selects_the_models_that_have_it(word: str) -> None:
    assert f"commands = pytest benchmarks -k {word}\n" in tox(
        "config", "-e", word, "-k", "commands"
    )


@pytest.mark.parametrize(("name", "version"), [("pytestmin", "==9.0.*"), ("pytestlatest", ">=9")])
def test_a_python_s_environments_differ_in_pytest(name: str, version: str) -> None:
    told = tox("config", "-e", f"py312-{name}", "-k", "deps", "commands", "base_python")
    assert f"pytest{version}" in told.split()
    assert "commands = pytest tests" in told
    assert "base_python = py312" in told
