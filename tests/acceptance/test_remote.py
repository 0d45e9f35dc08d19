"""A server that somebody else runs, measured by its URL."""

import json
from collections.abc import Iterator

import pytest

from tests.processes import running_python


@pytest.fixture
def url() -> Iterator[str]:
    """Where a simulated server of another process listens."""
    with running_python("-m", "llmbench.cli", "simulate", "--ttft-ms", "30") as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[3]


def test_a_url_is_measured_with_the_same_files(drawing: pytest.Pytester, url: str) -> None:
    result = drawing.runpytest_subprocess(
        "--llm-url",
        url,
        "--llm-api",
        "openai-completions",
        "--llm-model",
        "Some/Model-1b",
        "--llm-tokenizer",
        "tokenizer.json",
        "--llm-input-tokens",
        "16",
        "--llm-output-tokens",
        "8",
        "--llm-users",
        "1,2",
        "--llm-requests",
        "2",
    )
    result.assert_outcomes(passed=2 + 2 * 4)
    (run,) = (p for p in (drawing.path / "reports" / "runs").iterdir() if not p.is_symlink())
    for users in (1, 2):
        assert (run / "requests" / f"some-model-1b-in16-out8-users{users}.csv").is_file()
    for name in ("run.json", "cells.csv", "requests.parquet", "index.html"):
        assert (run / name).stat().st_size > 0
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert info["models"][0]["server"] == {
        "kind": "remote",
        "url": url,
        "replicas": [],
        "start_timeout_s": 30.0,
    }
