"""Every request is decoded once: when its repeat ends, and by a report that redraws the run."""

from pathlib import Path

import pytest

from llmbench import cli
from llmbench.report.charts import gallery
from tests.perf.decode_counts import counting, make_suite, session

REPEATS = ("--llm-requests", "2", "--llm-repeats", "3")
REQUESTS = (1 + 2) * (1 + 2) * 3  # users x (warm-up and measured) x repeats


def test_a_session_and_a_report_decode_each_request_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_suite(tmp_path)
    session(tmp_path, *REPEATS, "--llm-save-baseline", "main")
    new = ("--llm-baseline", "main", "--llm-save-baseline", "next", "--llm-run-dir", "run")
    assert session(tmp_path, *REPEATS, *new) == {"decoded": REQUESTS, "summarised": 6}
    monkeypatch.setattr(gallery, "gallery", lambda data, verdict: ())  # charts take long
    with counting() as counts:
        cli.main(["report", str(tmp_path / "run")])
    assert set(counts["decoded"].values()) == {1}
    assert counts["decoded"].total() == REQUESTS
    assert counts["summarised"].total() == 6
