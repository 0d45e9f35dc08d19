"""The CPU time of a server's processes, read at one moment."""

import subprocess
import time

import psutil
import pytest

from llmbench.clock import Clock
from llmbench.servers.local.cpu_clocks import ended_children_cpu_ns, process_cpu_ns
from llmbench.servers.local.process_tree import ProcessTree
from tests.processes import running_python

SPIN = "import time\nwhile time.process_time() < 0.3:\n    pass\n"
"""Uses 0.3 s of CPU time, its own start included."""

PARENT = f"""
import subprocess, sys
print("up", flush=True)
for line in sys.stdin:
    subprocess.run([sys.executable, "-c", {SPIN!r}])
    print("ended", flush=True)
"""


def test_the_clock_of_a_process_is_what_the_process_itself_sees() -> None:
    code = "import time\nwhile time.process_time() < 0.2: pass\n"
    code += "print(time.process_time_ns(), flush=True)\ninput()"
    with running_python("-c", code, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        seen_ns = int(process.stdout.readline())
        assert process_cpu_ns(process.pid) == pytest.approx(seen_ns, abs=20e6)


def test_a_process_that_is_gone_has_no_clock() -> None:
    with running_python("-c", "") as process:
        process.wait()
    assert process_cpu_ns(process.pid) is None
    assert ended_children_cpu_ns(process.pid) == 0


def test_children_that_ended_between_two_readings_count() -> None:
    with running_python("-c", PARENT, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        tree = ProcessTree(process.pid, "m", None, Clock())
        before = tree.cpu_ns()
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ended\n"
        after = tree.cpu_ns()
        assert before is not None and after is not None
        assert after - before == pytest.approx(0.3e9, abs=0.1e9)
        assert psutil.Process(process.pid).children() == []


def test_a_reading_is_finer_than_a_tick() -> None:
    with running_python("-c", "print('up', flush=True)\nwhile True: pass") as process:
        assert process.stdout is not None
        process.stdout.readline()
        tree = ProcessTree(process.pid, "m", None, Clock())
        first, began = tree.cpu_ns(), time.monotonic()
        assert first is not None
        while (now := tree.cpu_ns() or 0) == first:
            assert time.monotonic() < began + 20
        assert now % 10_000_000 != 0 or first % 10_000_000 != 0  # a tick is 10 ms
