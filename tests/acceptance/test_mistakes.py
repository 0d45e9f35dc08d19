"""Each mistake on the command line or in a file: a clear error before anything is launched."""

from pathlib import Path

import pytest


def message_of(suite: pytest.Pytester, *args: str) -> str:
    """What a session says that must stop before it launches anything."""
    result = suite.runpytest_subprocess(*args)
    assert result.ret in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED}
    assert not (suite.path / "reports").exists()
    return f"{result.stdout.str()}\n{result.stderr.str()}"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--llm-users", "-4"), "--llm-users: '-4' can't be: expected `int` >= 1"),
        (("--llm-users", "few"), "--llm-users: 'few' is not numbers with commas between"),
        (("--llm-requests", "0"), "--llm-requests: 0 can't be: expected `int` >= 1"),
        (
            ("--llm-repeats", "0"),
            "--llm-repeats: '0' is not a number of repeats; write 5, or 3..12",
        ),
        (("--llm-workers", "two"), "--llm-workers: 'two' is not a whole number of at least 1"),
        (("--llm-seed", "x"), "--llm-seed: 'x' is not a whole number"),
        (("--llm-timeout", "-2"), "--llm-timeout: -2.0 can't be: expected `float` > 0"),
        (("--llm-inconclusive", "red"), "--llm-inconclusive: 'red' is neither pass nor fail"),
        (("--llm-host-allowance", "2"), "--llm-host-allowance: '2': write it as in 2%"),
        (("--llm-tolerance", "ttfft=5%"), "--llm-tolerance: unknown metric 'ttfft'; did you mean"),
        (("--llm-url", "localhost:80"), "'localhost:80' is not a URL; write it like http://"),
        (("--llm-url", "http://127.0.0.1:9"), "--llm-url: http://127.0.0.1:9: can't connect: ["),
        (("--llm-insecure",), "--llm-insecure: only with --llm-url; in a model's TOML write it"),
        (("--llm-url", "http://x", "--llm-request-add", "1"), "--llm-request-add: '1' is not a"),
        (("--llm-images", "2x64@64"), "'2x64@64' is not a number of images and their size in"),
        (("--llm-inputs", "8"), "--llm-inputs: no benchmark that was chosen can use it: it is for"),
        (("--llm-models-dir", "nowhere"), "no model configuration (*.toml) there; write one"),
    ],
)
def test_a_bad_option_is_named(suite: pytest.Pytester, args: tuple[str, ...], message: str) -> None:
    assert message in message_of(suite, *args)


def test_an_unknown_key_of_a_toml_is_named(suite: pytest.Pytester) -> None:
    path = suite.path / "models" / "tiny-sim.toml"
    path.write_text(path.read_text(encoding="utf-8") + "user = 4\n", encoding="utf-8")
    assert "tiny-sim.toml: unknown key 'grid.user'; did you mean 'users'?" in message_of(suite)


def test_an_unknown_kind_of_server_is_named_at_collection(suite: pytest.Pytester) -> None:
    path = suite.path / "models" / "tiny-sim.toml"
    text = path.read_text(encoding="utf-8").replace('"simulated"', '"simulatd"')
    path.write_text(text, encoding="utf-8")
    output = message_of(suite)
    assert "tiny-sim.toml: key 'server.kind': unknown 'simulatd'; did you mean 'sim" in output


def test_a_key_that_cannot_be_sent_is_named_and_never_shown(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMBENCH_API_KEY", "sesame\nopen")
    output = message_of(suite, "--showlocals", "--full-trace")
    assert "LLMBENCH_API_KEY: its value has a line break in its middle, which can't be" in output
    assert "sesame" not in output


def test_an_unknown_kind_of_benchmark_is_named(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_bench="""
        import pytest

        @pytest.mark.llm("gird")
        def test_it(llm_bench, cell): ...
        """
    )
    assert "pytest.mark.llm: unknown 'gird'; did you mean 'grid'?" in message_of(suite)


def remote(*extra: str) -> tuple[str, ...]:
    return (
        "--llm-model",
        "m",
        "--llm-tokenizer",
        "tokenizer.json",
        "--llm-input-tokens",
        "16",
        "--llm-output-tokens",
        "4",
        "--llm-users",
        "1",
        *extra,
    )


def test_an_unknown_dialect_is_named(suite: pytest.Pytester) -> None:
    args = remote("--llm-url", "http://127.0.0.1:9", "--llm-api", "openai-completion")
    assert "did you mean 'openai-completions'?" in message_of(suite, *args)


def test_an_unreachable_url_fails_with_where_and_what_to_do(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess(*remote("--llm-url", "http://127.0.0.1:9"))
    result.assert_outcomes(failed=1, skipped=4)
    result.stdout.fnmatch_lines(["*http://127.0.0.1:9*refused*"])


def test_a_missing_tokenizer_is_named_before_anything_is_launched(suite: pytest.Pytester) -> None:
    (suite.path / "tokenizer.json").unlink()
    result = suite.runpytest_subprocess("-k", "users1")
    result.stdout.fnmatch_lines(["*tokenizer.json*"])
    assert not list(Path(suite.path).glob("reports/runs/*/logs/*"))


def test_a_run_is_not_written_over(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("-k", "users1", "--llm-run-dir", "mine")
    again = suite.runpytest_subprocess("-k", "users1", "--llm-run-dir", "mine")
    assert again.ret == pytest.ExitCode.USAGE_ERROR
    path = suite.path / "mine"
    again.stderr.fnmatch_lines([f"ERROR: {path}: a run is there already; name another directory"])
    collected = suite.runpytest_subprocess("--collect-only", "--llm-run-dir", "mine")
    assert collected.ret == 0


@pytest.mark.parametrize("where", ["file", "file/deep"])
def test_a_run_is_not_kept_in_a_file(suite: pytest.Pytester, where: str) -> None:
    path = suite.path / "file"
    path.touch()
    result = suite.runpytest_subprocess("--llm-run-dir", where)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = f"ERROR: {path}: is a file, and no run can be kept in it; name a directory"
    result.stderr.fnmatch_lines([told])
