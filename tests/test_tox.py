"""tox knows every model without a list of its own, and says what it can run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODELS = {path.stem for path in (ROOT / "fixtures" / "models").glob("*.toml")}
PYTHONS = {f"py3{minor}-pytest{pytest}" for minor in (11, 12, 13) for pytest in ("min", "latest")}


def tox(*arguments: str, root: Path = ROOT) -> str:
    """What tox prints."""
    command = [sys.executable, "-m", "tox", "--root", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=root).stdout


def test_the_list_has_every_model_and_no_words_of_names() -> None:
    assert MODELS
    ours = {"lint", "tests", "fix", "pkg", "engines", "smollm2"}
    assert set(tox("list", "--no-desc", "-q").split()) == MODELS | PYTHONS | ours


@pytest.mark.parametrize("word", ["70b", "tgi", "sim", "llama"])
def test_a_word_of_a_name_selects_the_models_that_have_it(word: str) -> None:
    assert f"commands = pytest benchmarks -k {word}\n" in tox(
        "config", "-e", word, "-k", "commands"
    )


def test_a_model_s_environment_sees_the_variables_that_the_files_name(tmp_path: Path) -> None:
    for name in ("tox.ini", "toxfile.py"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    models = tmp_path / "fixtures" / "models"
    models.mkdir(parents=True)
    (models / "broken.toml").write_text("[", encoding="utf-8")
    (models / "mine.toml").write_text(
        "[server]\nenvironment = ['HUGGING_FACE_HUB_TOKEN']\n"
        "[client]\napi_key_env = 'MY_KEY'\nheaders = { X-Team = '$MY_TEAM', Accept = '*/*' }\n",
        encoding="utf-8",
    )
    shown = tox("config", "-e", "mine,tests", "-k", "pass_env", root=tmp_path)
    of_model, _, of_tests = shown.partition("[testenv:tests]")
    ours = {"HUGGING_FACE_HUB_TOKEN", "MY_KEY", "MY_TEAM"}
    assert set(of_model.split()) >= {*ours, "LLMBENCH_*", "CUDA_VISIBLE_DEVICES"}
    assert not ours & set(of_tests.split())


def test_a_model_s_environment_can_read_gpus() -> None:
    assert "gpu" in tox("config", "-e", "llama-2-7b-tgi", "-k", "extras").split()


@pytest.mark.parametrize(("name", "version"), [("pytestmin", "==9.0.*"), ("pytestlatest", ">=9")])
def test_a_python_s_environments_differ_in_pytest(name: str, version: str) -> None:
    told = tox("config", "-e", f"py312-{name}", "-k", "deps", "commands", "base_python")
    assert f"pytest{version}" in told.split()
    computing, _, others = told.partition("pytest tests --ignore ")
    folders = computing.partition("pytest ")[2].partition(" -n 2 ")[0].split()
    assert folders and others.partition(" --timeout ")[0].split(" --ignore ") == folders
    assert "base_python = py312" in told
