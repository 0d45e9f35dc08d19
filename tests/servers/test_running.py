from pathlib import Path

import pytest

from llmbench.servers.running import LaunchError, hint_of, signal_name, tail


def test_an_error_tells_state_exit_code_log_and_hint() -> None:
    error = LaunchError(
        "tiny",
        "the server's process ended before it listened",
        exit_code=-9,
        log_tail=("loading", "std::bad_alloc"),
        log_file=Path("logs/tiny.log"),
    )
    assert str(error) == (
        "tiny: the server's process ended before it listened\n"
        "  exit code: -9 (killed by SIGKILL)\n"
        "  last 2 log lines of logs/tiny.log:\n"
        "    loading\n"
        "    std::bad_alloc\n"
        "  hint: out of memory; lower context_tokens or slots, or give the server more memory"
    )


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("bind: Address already in use", "the port is taken; stop what listens there"),
        (
            "llama_model_load: error loading model",
            "the weights can't be loaded; check server.weights in the model's TOML",
        ),
        (
            "ModuleNotFoundError: No module named 'xllamacpp'",
            "the embedded engine is missing; pip install 'pytest-llmbench[embedded]'",
        ),
        ("os.sched_setaffinity(0, [9])", "not enough cores on this host"),
    ],
)
def test_known_log_lines_have_hints(line: str, hint: str) -> None:
    assert hint_of(line) == hint


def test_an_unknown_line_has_no_hint() -> None:
    assert hint_of("all is well") is None


def test_an_unknown_signal_is_told_by_number() -> None:
    assert signal_name(-63) == " (killed by signal 63)"


def test_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(30)))
    assert tail(log, 2) == ("line 28", "line 29")


def test_a_missing_log_has_no_tail(tmp_path: Path) -> None:
    assert tail(tmp_path / "none") == ()
