"""The wheel, as another repository gets it: built, and installed in a bare environment."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "uv", "build", "--wheel", "--quiet", "--out-dir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, what it depends on, and nothing else; its ``bin``."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [*uv, "pip", "install", "--quiet", "--python", str(python), str(wheel)]
    subprocess.run(install, check=True)
    return folder / "bin"


def test_the_only_top_level_package_is_llmbench(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"llmbench"}
    assert "llmbench/py.typed" in names
    assert any(name.startswith("llmbench/report/page/templates/") for name in names)


def test_a_bare_environment_measures_with_it(bare: Path, drawing: pytest.Pytester) -> None:
    result = drawing.run(bare / "pytest", "-k", "users1", "--llm-requests", "1")
    result.assert_outcomes(passed=5, deselected=5)
    assert list(drawing.path.glob("reports/runs/*/index.html"))


def test_a_bare_environment_has_the_command(bare: Path, suite: pytest.Pytester) -> None:
    result = suite.run(bare / "llmbench", "--help")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*prompts*", "*report*", "*compare*", "*simulate*", "*calibrate*"])
