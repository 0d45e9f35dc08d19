"""From where relative paths count."""

import pytest

from llmbench.plugin.options import Options
from llmbench.plugin.state import STATE


def options_of(pytester: pytest.Pytester, *args: str) -> Options:
    return pytester.parseconfigure(*args).stash[STATE].options


def test_without_an_ini_file_paths_count_from_where_the_user_stands(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tokenizer = tmp_path_factory.mktemp("elsewhere") / "tokenizer"
    tokenizer.mkdir()
    config = pytester.parseconfigure("--llm-tokenizer", str(tokenizer))
    assert config.rootpath != pytester.path, "the value of an option has moved pytest's root"
    options = config.stash[STATE].options
    assert options.settings.runs_dir == pytester.path / "reports" / "runs"
    assert options.models_dir == pytester.path / "fixtures" / "models"


def test_with_an_ini_file_its_paths_count_from_its_folder(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nllm_models_dir = my-models\nllm_run_dir = mine\n")
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    options = options_of(pytester, "--llm-baselines-dir", "here")
    assert options.models_dir == pytester.path / "my-models"
    assert options.settings.run_dir == pytester.path / "mine"
    assert options.settings.runs_dir == pytester.path / "reports" / "runs"
    assert options.baselines_dir == below / "here"
