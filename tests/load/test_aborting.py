"""Whatever raises while a load runs ends it, with that error and at once."""

import asyncio
import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmbench.cells import Arrivals, Ramp, Shape, Users
from llmbench.journal import Journal, WriteError
from llmbench.load.decoding import Decoder
from llmbench.load.loops.aborting import GRACE_S, StuckError, Watchdog
from llmbench.load.loops.climbing import Climb, StepWatch
from llmbench.load.loops.closed import ClosedLoop
from llmbench.load.loops.dispatcher import Dispatcher
from llmbench.load.loops.lane import Lane
from llmbench.load.loops.open import OpenLoop
from llmbench.load.loops.timeouts import Timeouts
from llmbench.load.plan.requests import RequestMaker
from llmbench.load.progress import Counts, Progress
from llmbench.load.wire.connection import Connection
from llmbench.records import ClientSettings
from tests.load.serving import Load, endpoint

LONG = Users(2, None, duration_s=60)


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """No test here takes longer than a fault may."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 10


def raising(after: int = 0, real: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A callback that raises when it is called for the (`after` + 1)th time."""
    calls = 0

    def callback(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after or real is None:
            raise ZeroDivisionError("in a callback")
        return real(*args, **kwargs)

    return callback


@pytest.mark.parametrize(
    ("owner", "name", "after", "shape"),
    [
        (Decoder, "record", 3, LONG),
        (Decoder, "record", 3, Arrivals(50.0, duration_s=60)),
        (Journal, "append", 3, LONG),
        (RequestMaker, "make", 3, LONG),
        (RequestMaker, "make", 9, Arrivals(50.0, duration_s=60)),
        (Connection, "_readable", 5, LONG),
        (Connection, "send", 5, LONG),
        (Connection, "_end", 5, LONG),
        (Lane, "_done", 3, LONG),
        (Timeouts, "sweep", 3, LONG),
        (ClosedLoop, "_finished", 3, LONG),
        (ClosedLoop, "_spawn", 1, LONG),
        (Climb, "_add", 3, LONG),
        (StepWatch, "is_held", 0, Ramp((1, 2), step_s=30.0)),
        (OpenLoop, "_turn", 5, Arrivals(50.0, duration_s=60)),
        (OpenLoop, "_finished", 3, Arrivals(50.0, duration_s=60)),
        (Dispatcher, "_next_turn", 3, LONG),
        (Dispatcher, "_work", 3, LONG),
    ],
)
def test_what_a_callback_raises_ends_the_load(
    owner: type,
    name: str,
    after: int,
    shape: Shape,
    simulator: str,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, name, raising(after, getattr(owner, name)))
    with pytest.raises(ZeroDivisionError, match="in a callback") as caught:
        load(endpoint(simulator), shape)
    assert any(frame.name == "callback" for frame in caught.traceback)


def test_what_a_failing_connection_raises_ends_the_load(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lane, "_give_up", raising())
    with pytest.raises(ZeroDivisionError):
        load(endpoint("http://127.0.0.1:1"), LONG)


def test_what_the_caller_s_own_callbacks_raise_ends_the_load(simulator: str, load: Load) -> None:
    with pytest.raises(ZeroDivisionError):
        load(endpoint(simulator), LONG, progress=raising(1, lambda progress: None))
    with pytest.raises(ZeroDivisionError):
        load(endpoint(simulator), LONG, died=raising(1, lambda: None))


def test_what_a_worker_raises_is_raised(simulator: str, load: Load) -> None:
    def fill(progress: Progress) -> None:
        raise ZeroDivisionError("in a callback")

    with pytest.raises(ZeroDivisionError):
        load(endpoint(simulator), LONG, workers=2, progress=fill)


def test_a_fault_on_asyncio_s_own_loop_ends_the_load_too(
    simulator: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmbench.load.wire.polling.new_loop", asyncio.new_event_loop)
    monkeypatch.setattr(Connection, "_readable", raising())
    with pytest.raises(ZeroDivisionError):
        load(endpoint(simulator), LONG)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE])
def test_a_record_that_cannot_be_written_ends_the_load(
    code: int, simulator: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, journals = os.write, 0

    def write(fd: int, data: bytes) -> int:
        nonlocal journals
        journals += data.startswith(b'{"cell"')
        if journals > 5 and data.startswith(b'{"cell"'):
            raise OSError(code, os.strerror(code))
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(WriteError) as caught:
        load(endpoint(simulator), LONG)
    why = "the disk is full" if code == errno.ENOSPC else os.strerror(code)
    assert why in str(caught.value)
    assert str(caught.value).endswith("1.0.jsonl")
    assert len(list(load.run.requests())) == 5


FULL = """
import resource, signal, sys
from pathlib import Path
from llmbench.cells import Cell, Users
from llmbench.load import run_cell
from llmbench.store import RunDir
from tests.load.serving import PROMPTS, endpoint

if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    run_cell(Cell("m", 8, 8, Users(4, None, duration_s=60)), endpoint(sys.argv[1]), PROMPTS,
             run=RunDir(Path(sys.argv[2])), repeat=1, seed=1, prompts_sha256="x",
             workers=int(sys.argv[3]))
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_file_that_may_not_grow_ends_the_load_with_whole_lines(
    workers: str, simulator: str, tmp_path: Path
) -> None:
    script = tmp_path / "full.py"
    script.write_text(FULL)
    done = subprocess.run(
        [sys.executable, str(script), simulator, str(tmp_path), workers],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "WriteError: a file can't be written: File too large: " in done.stderr
    journals = sorted(tmp_path.glob("journal/requests/*/*.jsonl"))
    assert len(journals) == int(workers)
    written = [path.read_bytes() for path in journals]
    assert all(journal.endswith(b"}\n") for journal in written)
    a_line = max(map(len, b"".join(written).splitlines(keepends=True)))
    assert max(map(len, written)) > 20_000 - a_line


def test_a_load_in_which_nothing_moves_any_more_is_ended(
    simulator: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user whose next request is never sent: nothing raises, and nothing would ever end."""
    monkeypatch.setattr("llmbench.load.loops.aborting.GRACE_S", 0.3)
    monkeypatch.setattr(ClosedLoop, "_finished", lambda *args: None)
    with pytest.raises(StuckError, match=r"nothing settled for \d+ s: 2 requests sent, 2 "):
        load(endpoint(simulator), LONG)


def test_a_request_that_outlives_its_time_out_is_told(
    simulator: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmbench.load.loops.aborting.GRACE_S", 0.3)
    monkeypatch.setattr(Timeouts, "sweep", lambda *args: None)
    faulty = {"x-llmbench-fault": "no-first-token"}
    limits = {"connect_timeout_s": 0.2, "request_timeout_s": 0.2}
    with pytest.raises(StuckError, match="0 settled, 2 in flight"):
        load(endpoint(simulator, headers=faulty, **limits), LONG)


def test_the_watchdog_waits_for_timers_and_not_for_a_stopped_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("llmbench.load.loops.aborting.monotonic", lambda: now)
    watchdog, counts = Watchdog(ClientSettings()), Counts()
    now = 1000.0  # the process was stopped meanwhile
    watchdog.look(counts, more_to_come=False)
    for _ in range(100):
        now += 1.0
        watchdog.look(counts, more_to_come=True)
    for _ in range(int(GRACE_S)):
        now += 1.0
        watchdog.look(counts, more_to_come=False)
    now += 1.0
    with pytest.raises(StuckError, match="nothing settled for 6 s: 0 requests sent"):
        watchdog.look(counts, more_to_come=False)


def test_a_request_that_ended_after_a_long_wait_has_time_to_settle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("llmbench.load.loops.aborting.monotonic", lambda: now)
    watchdog, counts = Watchdog(ClientSettings()), Counts()
    counts.sent = counts.in_flight = 1
    for _ in range(60):
        now += 1.0
        watchdog.look(counts, more_to_come=False)
    counts.in_flight = 0
    now += 1.0
    watchdog.look(counts, more_to_come=False)
    assert (counts.sent, counts.settled) == (1, 0)
