"""Which GPUs a server gets, and that two sessions never share one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.servers.gpus.held import held_gpus
from llmbench.servers.gpus.nvml import Gpu
from llmbench.servers.gpus.picking import candidates, visible_gpus
from llmbench.servers.running import LaunchError
from tests.servers.gpus.conftest import Host

THREE = (Gpu(0, "GPU-aa"), Gpu(1, "GPU-ab"), Gpu(2, "GPU-cc"))


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the locks that is this test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield tmp_path
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (None, [0, 1, 2]),
        ("2,0", [2, 0]),
        ("GPU-c,1", [2, 1]),
        ("1,7,0", [1]),  # CUDA reads up to the first that isn't there
        ("GPU-a", []),  # two begin so
        ("-1", []),
        ("", []),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_does(text: str | None, numbers: list[int]) -> None:
    assert [gpu.index for gpu in visible_gpus(THREE, text)] == numbers


def test_a_number_is_of_those_that_are_visible(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host("GPU-aa", "GPU-ab", "GPU-cc")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1")
    assert [gpu.index for gpu in candidates(2)] == [2, 1]
    with pytest.raises(ConfigError) as error:
        candidates(3)
    assert str(error.value) == "needs 3 GPUs, this host has 2 that CUDA_VISIBLE_DEVICES leaves"


def test_those_that_are_named_are_taken(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host("GPU-aa", "GPU-ab", "GPU-cc")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert candidates(("1", "GPU-cc")) == (Gpu(1, "GPU-ab"), Gpu(2, "GPU-cc"))


def test_one_that_is_not_here_is_told_with_those_that_are(host: Host) -> None:
    host("GPU-aa")
    with pytest.raises(ConfigError) as error:
        candidates(("1",))
    assert str(error.value) == "needs GPU 1, this host has 0 (GPU-aa)"


HOLD = """
import sys
from llmbench.servers.gpus import held, nvml
gpu = nvml.Gpu(0, "GPU-aa")
held.candidates = lambda wanted: (gpu,)
with held.held_gpus("other", 1, print):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(host: Host) -> Iterator["subprocess.Popen[str]"]:
    """Another session, which holds GPU 0 of three."""
    host("GPU-aa", "GPU-ab", "GPU-cc")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_gpu_of_another_session_is_left_to_it_and_told(other: "subprocess.Popen[str]") -> None:
    said: list[str] = []
    with held_gpus("m", 2, said.append) as gpus:
        assert [gpu.index for gpu in gpus] == [1, 2]
    assert said == [
        f"m: GPU 0 is used by another session (pid {other.pid}): measuring on 1, 2",
    ]


def test_too_few_free_ones_start_nothing(other: "subprocess.Popen[str]") -> None:
    with pytest.raises(LaunchError) as error, held_gpus("m", ("0", "1"), print):
        pass
    assert str(error.value) == (
        f"m: needs 2 GPUs, 1 free: GPU 0 is used by another session (pid {other.pid})\n"
        "  hint: wait until it has ended, or name other GPUs in server.gpus"
    )


def test_a_session_that_was_killed_holds_nothing(other: "subprocess.Popen[str]") -> None:
    other.kill()
    other.wait()
    said: list[str] = []
    with held_gpus("m", ("0",), said.append) as gpus:
        assert gpus == (Gpu(0, "GPU-aa"),)
    with held_gpus("m", ("GPU-aa",), said.append):
        pass  # freed when the first context was left
    assert said == []
