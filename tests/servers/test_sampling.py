import queue
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psutil
import pytest

from llmbench.clock import Clock
from llmbench.records import Endpoint, Launch, ResourceSample
from llmbench.servers.local.process_tree import ProcessTree
from llmbench.servers.sampling import Sampler
from tests.processes import running_python


class Steady:
    """A server whose samples are numbered by their time."""

    endpoint = Endpoint("http://x", "tgi", "m", False, Launch("remote", 0))

    def __init__(self, *, dead: bool = False) -> None:
        self.taken = 0
        self.cpu_readings = count(100)
        self._dead = dead

    def died(self) -> str | None:
        return None

    def cpu_ns(self) -> int | None:
        return None if self._dead else next(self.cpu_readings)

    def pause(self) -> bool:
        return False

    def resume(self) -> None:
        return

    def sample(self) -> ResourceSample | None:
        self.taken += 1
        return None if self._dead else ResourceSample(self.taken, "m", None, None, 10.0, 1)


def test_what_was_used_before_a_tag_goes_to_the_tag_before() -> None:
    seen: list[ResourceSample] = []
    sampler = Sampler(Steady(), seen.append, period_s=3600)
    sampler.tag("a", 1)
    sampler.tag("b", 2)
    sampler.stop()
    assert [(it.time_ns, it.cell, it.repeat) for it in seen] == [
        (1, None, None),
        (2, "a", 1),
        (3, "b", 2),
    ]


def test_samples_come_by_themselves() -> None:
    seen: queue.Queue[ResourceSample] = queue.Queue()
    with Sampler(Steady(), seen.put, period_s=0.01):
        assert [seen.get(timeout=10).time_ns for _ in range(3)] == [1, 2, 3]


def test_a_second_stop_takes_no_further_sample() -> None:
    seen: list[ResourceSample] = []
    sampler = Sampler(Steady(), seen.append, period_s=3600)
    sampler.stop()
    sampler.stop()
    assert len(seen) == 1


def test_a_server_that_is_gone_has_no_samples() -> None:
    seen: list[ResourceSample] = []
    Sampler(Steady(dead=True), seen.append, period_s=3600).stop()
    assert seen == []


BUSY = """
import time
print("up", flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    pass
"""
PARENT_OF_BUSY = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


@contextmanager
def started(code: str) -> Iterator["subprocess.Popen[str]"]:
    with running_python("-c", code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process


@pytest.mark.parametrize(("code", "pids"), [(BUSY, 1), (PARENT_OF_BUSY, 2)])
def test_cpu_and_memory_are_those_of_the_whole_tree(code: str, pids: int) -> None:
    with started(code) as process:
        tree = ProcessTree(process.pid, "m", 1.0, Clock())
        began, cpu_s = time.monotonic(), cpu_and_memory(process.pid)[0]
        while cpu_and_memory(process.pid)[0] < cpu_s + 0.5:
            assert time.monotonic() < began + 60
        sample = tree.sample()
        used_s, memory_bytes = cpu_and_memory(process.pid)
        expected = 100 * (used_s - cpu_s) / (time.monotonic() - began)
        assert sample is not None
        assert sample.cpu_percent == pytest.approx(expected, rel=0.15)
        assert sample.memory_bytes == pytest.approx(memory_bytes, rel=0.1)
        assert (sample.pids, sample.target, sample.cpu_limit_cores) == (pids, "m", 1.0)


def cpu_and_memory(pid: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of a process and its children."""
    root = psutil.Process(pid)
    tree = (root, *root.children(recursive=True))
    cpu_s = sum(it.cpu_times().user + it.cpu_times().system for it in tree)
    return cpu_s, sum(it.memory_info().rss for it in tree)


def test_a_process_that_ended_has_no_sample() -> None:
    with started("print('up')") as process:
        tree = ProcessTree(process.pid, "m", None, Clock())
        process.communicate()
        assert tree.sample() is None


def test_the_cpu_time_is_read_at_both_ends_of_a_repeat() -> None:
    sampler = Sampler(Steady(), lambda sample: None, period_s=3600)
    sampler.tag("a", 1)
    sampler.tag(None)
    first, *_, last = sampler.readings
    sampler.stop()
    assert (first[1], last[1]) >= (100, 101) and first[0] < last[0]
    assert sampler.readings[-1] == last


def test_a_repeat_has_readings_of_its_own() -> None:
    sampler = Sampler(Steady(), lambda sample: None, period_s=3600)
    sampler.tag("a", 1)
    before = sampler.readings
    sampler.tag("b", 1)
    sampler.stop()
    assert sampler.readings[0] > before[-1]


def test_a_server_of_unknown_cpu_time_has_no_readings() -> None:
    sampler = Sampler(Steady(dead=True), lambda sample: None, period_s=3600)
    sampler.tag("a", 1)
    sampler.stop()
    assert sampler.readings == ()
