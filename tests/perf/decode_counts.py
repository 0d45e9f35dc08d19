"""Prints how often a session, and a report, decode each request and summarise each repeat.

Run as ``python -m tests.perf.decode_counts [REPEATS]`` from the repository. The session measures
two cells, is gated by a baseline, is stored as another one, and replays for pytest-benchmark.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest.mock import patch

from llmbench import cli, store
from llmbench.journal import read_journal
from llmbench.metrics import summarise
from llmbench.records import RequestRecord
from llmbench.verdict import judging
from tests.acceptance.conftest import BENCHMARK, MODEL, word_tokenizer

GATE = """
    @pytest.mark.llm("gate")
    def test_gate(llm_gate, cell):
        llm_gate(cell)
"""
CONFTEST = """
    import json
    from pathlib import Path
    from tests.perf.decode_counts import counting

    def pytest_configure(config):
        config.counting = counting()
        config.counts = config.counting.__enter__()

    def pytest_unconfigure(config):
        config.counting.__exit__(None, None, None)
        Path("counts.json").write_text(json.dumps({k: v.total() for k, v in config.counts.items()}))
"""
Counts = dict[str, Counter[tuple[Any, ...]]]


@contextmanager
def counting() -> Iterator[Counts]:
    """Counts, while it lasts, how often each request is decoded and each repeat summarised."""
    counts: Counts = {"decoded": Counter(), "summarised": Counter()}

    def counted_read(path: Path, kind: Any) -> Iterator[Any]:
        for record in read_journal(path, kind):
            if isinstance(record, RequestRecord):
                who = record.user, record.phase, record.request
                counts["decoded"][record.cell, record.repeat, *who] += 1
            yield record

    def counted_summarise(run: Any, *args: Any, **options: Any) -> Any:
        counts["summarised"][run.cell_id, run.repeat] += 1
        return summarise(run, *args, **options)

    with (
        patch.object(store, "read_journal", counted_read),
        patch.object(judging, "summarise", counted_summarise),
    ):
        yield counts


def make_suite(folder: Path) -> None:
    """A repository with a simulated model, a grid of two cells and a gate."""
    files = {
        "models/tiny-sim.toml": MODEL,
        "tokenizer.json": word_tokenizer(),
        "pytest.ini": "[pytest]\nllm_models_dir = models\n",
        "conftest.py": dedent(CONFTEST),
        "test_bench.py": dedent(BENCHMARK + GATE),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def session(folder: Path, *options: str) -> dict[str, int]:
    """Run the suite in `folder`; how often it decoded requests and summarised repeats."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        check=False,
    )
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode in (0, 1), said  # 1: a busy host, or a red gate
    counts: dict[str, int] = json.loads((folder / "counts.json").read_text())
    return counts


def main() -> None:
    """Print the counts of a session and of a report of its run."""
    repeats = sys.argv[1] if len(sys.argv) > 1 else "5"
    options = ("--llm-requests", "5", "--llm-repeats", repeats)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_suite(folder)
        session(folder, *options, "--llm-save-baseline", "main")
        new = ("--llm-baseline", "main", "--llm-save-baseline", "next", "--llm-run-dir", "run")
        measured = session(folder, *options, *new)
        with counting() as counts:
            cli.main(["report", str(folder / "run")])
    redrawn = {name: times.total() for name, times in counts.items()}
    print(f"{len(counts['decoded'])} requests in {len(counts['summarised'])} repeats of 2 cells")
    for title, found in (("session", measured), ("report", redrawn)):
        print(f"{title}: {found['decoded']} decoded, {found['summarised']} summarised")


if __name__ == "__main__":
    main()
