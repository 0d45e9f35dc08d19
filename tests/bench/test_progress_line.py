"""What a person sees while load runs."""

import io

import pytest

from llmbench.bench import progress_line as progress
from llmbench.load.progress import Progress


def state(done: int = 5, total: int | None = 20) -> Progress:
    return Progress(
        sent=8,
        done=done,
        failed=1,
        output_tokens=300,
        total=total,
        in_flight=3,
        elapsed_s=10.0,
        users=4,
    )


def test_a_line_says_how_many_of_how_many_how_fast_and_how_long() -> None:
    line = progress.describe(state())
    assert line == "5/20 requests, 1 failed, 4 users, 30 tokens/s, 00:30 left"


def test_without_a_total_there_is_no_time_left() -> None:
    assert progress.describe(state(total=None)) == "5/? requests, 1 failed, 4 users, 30 tokens/s"


def test_plain_lines_come_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("llmbench.bench.progress_line.time.monotonic", lambda: now[0])
    out = io.StringIO()
    with progress.shown(out, "cell") as update:
        for second in range(25):
            now[0] = float(second)
            update(state(done=second))
    assert [line.split(" ")[1] for line in out.getvalue().splitlines()] == ["10/20", "20/20"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_live_line() -> None:
    out = Terminal()
    with progress.shown(out, "cell") as update:
        update(state())
    assert "cell: 5/20 requests, 1 failed" in out.getvalue()
