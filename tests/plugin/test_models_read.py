"""A session reads each model's TOML once, however many benchmarks are made of it."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
COUNTING = """
import sys

OPENED = []

def note(event, args):
    if event == "open" and str(args[0]).endswith(".toml"):
        OPENED.append(str(args[0]))

def pytest_configure():
    sys.addaudithook(note)

def pytest_unconfigure():
    print(*(f"opened {path}" for path in OPENED), sep="\\n")
"""


def test_collecting_reads_each_model_once(tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(COUNTING, encoding="utf-8")
    options = ("-p", "counting", "-p", "no:cacheprovider", "--collect-only", "-q")
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "benchmarks"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = collected.stdout.splitlines()
    files = [line.removeprefix("opened ") for line in lines if line.startswith("opened ")]
    opened = sorted(path for path in files if Path(path).parent.name == "models")
    models = sorted(str(path) for path in (REPOSITORY / "fixtures" / "models").glob("*.toml"))
    assert len(models) >= 10
    assert opened == models
