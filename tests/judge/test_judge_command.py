"""``llmbench judge``: what it prints and writes, and its exit status."""

import sys
from pathlib import Path

import pytest

from llmbench.cli import main

LIAR = Path(__file__).parent / "lying_client.py"
SMALL = [
    *("--users", "1", "--requests-per-user", "2", "--ttft-ms", "20", "--ms-per-token", "5"),
    *("--output-tokens", "8"),
]


def test_a_command_of_anybodys_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmbench.judge.judged_loads.LATE_SHARE", 1e9)
    words = [sys.executable, str(LIAR), "{url}", "{users}", "{requests}", "{result}", "1.2"]
    assert main(["judge", *SMALL, "--out", str(tmp_path), "--", *words]) == 0
    text = capsys.readouterr().out
    name = Path(sys.executable).name
    assert f"{name}, 1 user: TTFT p50 +20.0%; TTFT p99 +20.0%" in text
    assert (
        f"{name}: within 1 % and 5 % of the truth at no load that was tried (tried: up to 1)"
        in text
    )
    assert text.endswith(f"written: {tmp_path / 'judge.md'}\nwritten: {tmp_path / 'judge.json'}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "judge: name a --client, or give a command after --, and not both"),
        (
            ["--client", "k6", "--", "sh", "{url}", "{result}"],
            "judge: name a --client, or give a command after --, and not both",
        ),
        (
            ["--", "sh", "{url}"],
            "the command has no {result}: put it where the client takes the file or folder for "
            "the client to write",
        ),
        (["--users", "1,x", "--", "sh", "{url}", "{result}"], "--users: '1,x' is not numbers"),
        ([*SMALL, "--", "sh", "-c", "exit 4", "{url}", "{result}"], "sh: exit status 4, and said"),
    ],
)
def test_a_mistake_is_one_line_and_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["judge", *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"llmbench: {message}")
    assert told.count("\n") == 1
