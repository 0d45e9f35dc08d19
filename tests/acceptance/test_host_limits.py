"""What the host can't give ends the session soon, with what was measured and one clear line."""

import sys
import time

import pytest

from llmbench.store import RunDir
from llmbench.verdict.judging import results

FILLING = """
    import errno, os
    from pathlib import Path

    RECORDS = {records}
    real_write, real_bytes = os.write, Path.write_bytes
    taken = 0

    def full():
        raise OSError(errno.{code}, os.strerror(errno.{code}))

    def write(fd, data):
        global taken
        record = data.startswith(b'{{"cell":"')
        taken += record
        return full() if record and taken > RECORDS else real_write(fd, data)

    def write_bytes(path, data):
        return full() if taken > RECORDS else real_bytes(path, data)

    os.write, Path.write_bytes = write, write_bytes
"""


@pytest.mark.parametrize(
    ("code", "line"), [("ENOSPC", "the disk is full: "), ("EIO", "Input/output error: ")]
)
def test_a_full_disk_ends_the_session_with_what_there_is(
    code: str, line: str, drawing: pytest.Pytester
) -> None:
    drawing.makeconftest(FILLING.format(code=code, records=7))
    began = time.monotonic()
    done = drawing.runpytest_subprocess("-k", "test_grid", "--llm-users", "1,2,3")
    assert time.monotonic() - began < 60
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    output = done.stdout.str()
    assert line in output and "Traceback" not in output + done.stderr.str()
    done.stdout.fnmatch_lines(["*in16-out8-users1 *", "*in16-out8-users2 * INVALID did_not_end*"])
    (run,) = (p for p in (drawing.path / "reports" / "runs").iterdir() if not p.is_symlink())
    first, second = results(RunDir.open(run))
    assert (first.summary.requests, second.summary.requests) == (3, 1)
    assert second.problems[0].rule == "did_not_end"


def test_a_damaged_line_is_told_at_the_end_and_on_the_page(drawing: pytest.Pytester) -> None:
    drawing.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_llmbench_report(config, run):
            (journal,) = run.path.glob("journal/requests/*/*.jsonl")
            lines = journal.read_bytes().splitlines(keepends=True)
            journal.write_bytes(b"".join([lines[0], b"half a li" + lines[1], *lines[2:]]))
        """
    )
    done = drawing.runpytest_subprocess("-k", "test_grid", "--llm-users", "1")
    assert done.ret == pytest.ExitCode.OK
    told = "1 line could not be read and is left out: journal/requests/"
    assert told in done.stdout.str()
    (run,) = (p for p in (drawing.path / "reports" / "runs").iterdir() if not p.is_symlink())
    assert told in (run / "index.html").read_text()
    assert (run / "requests.parquet").exists()


def test_too_few_open_files_for_the_users_is_one_clear_line(suite: pytest.Pytester) -> None:
    command = f"ulimit -n 80; exec {sys.executable} -m pytest -k test_grid --llm-users 100"
    done = suite.run("bash", "-c", command)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    output = done.stdout.str() + done.stderr.str()
    done.stdout.re_match_lines([r".*100 users need about \d+ open files in one process, the limit"])
    assert "Traceback" not in output and "refused" not in output
