import io
import sys
import time

import pytest

from llmbench.prompts.build_progress import BuildProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    with BuildProgress("prompts from x", said.append) as progress:
        progress.show(0.1, 10)
        now_s[0] = 105.0
        progress.show(0.25, 1234)
        progress.show(0.3, 2000)
        now_s[0] = 110.0
        progress.show(None, 3000)
    assert said == ["prompts from x: 25%, 1,234 counted", "prompts from x: 3,000 counted"]


def test_on_a_terminal_a_bar(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with BuildProgress("prompts from x", said.append) as progress:
        progress.show(0.5, 1234)
    assert "prompts from x" in terminal.getvalue()
    assert "1,234 counted" in terminal.getvalue()
    assert said == []
