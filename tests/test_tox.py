"""tox knows every model, without a list of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environments() -> set[str]:
    """What ``tox list`` names."""
    tox = [sys.executable, "-m", "tox", "--root", str(ROOT), "list", "--no-desc", "-q"]
    listed = subprocess.run(tox, check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


def test_every_model_has_an_environment_and_so_have_its_words() -> None:
    models = {path.stem for path in (ROOT / "fixtures" / "models").glob("*.toml")}
    assert models
    assert models | {"smollm2", "sim", "70b", "lint", "tests"} <= environments()
