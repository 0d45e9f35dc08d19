"""GPUs that are divided by MIG: their instances are what a server gets."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.records import GpuSample, ResourceSample
from llmbench.servers.gpus.held import held_gpus
from llmbench.servers.gpus.nvml import Gpu, gpu_samples, gpus_here, with_gpus
from llmbench.servers.gpus.picking import candidates, visible_gpus
from llmbench.servers.running import LaunchError
from tests.servers.gpus.conftest import Host

DIVIDED = {
    "uuid": "GPU-aa",
    "energy_mj": 5,  # of all instances together
    "percent": 50,
    "parts": [
        {"uuid": "MIG-11", "gi": 1, "ci": 0, "memory_bytes": 3 << 30},
        None,
        {"uuid": "MIG-22", "gi": 2, "ci": 0, "memory_bytes": 1 << 30},
    ],
}
FIRST, SECOND = Gpu(0, "MIG-11", "1/0", "GPU-aa"), Gpu(0, "MIG-22", "2/0", "GPU-aa")
WHOLE = Gpu(1, "GPU-bb")


@pytest.fixture(autouse=True)
def divided(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose first GPU has two instances, and whose second is whole."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    host(DIVIDED, "GPU-bb")


def test_instances_stand_in_the_place_of_their_gpu() -> None:
    assert gpus_here() == (FIRST, SECOND, WHOLE)
    assert candidates(3) == (FIRST, SECOND, WHOLE)


@pytest.mark.parametrize("word", ["MIG-22", "MIG-2", "MIG-GPU-aa/2/0"])
def test_an_instance_is_found_by_both_kinds_of_names(word: str) -> None:
    assert candidates((word,)) == (SECOND,)
    assert visible_gpus(gpus_here(), word) == (SECOND,)


def test_older_drivers_have_only_the_older_names(host: Host) -> None:
    old = {"uuid": "MIG-GPU-aa/2/0", "gi": 2, "ci": 0}
    host({"uuid": "GPU-aa", "parts": [old]})
    (gpu,) = candidates(("MIG-GPU-aa/2/0",))
    assert gpu.id == "MIG-GPU-aa/2/0"
    with held_gpus("m", (gpu.id,), print) as mine:
        assert mine == (gpu,)


@pytest.mark.parametrize("word", ["0", "GPU-aa"])
def test_a_divided_gpu_can_t_be_had_whole(word: str) -> None:
    with pytest.raises(ConfigError) as error:
        candidates((word,))
    assert str(error.value) == (
        f"needs GPU {word}, which is divided by MIG: name an instance: MIG-11, MIG-22"
    )


def test_cuda_shows_the_first_instance_of_a_number() -> None:
    assert visible_gpus(gpus_here(), "0,1") == (FIRST, WHOLE)


def test_each_instance_has_a_lock_of_its_own() -> None:
    said: list[str] = []
    with held_gpus("m", ("MIG-11",), said.append), held_gpus("n", 2, said.append) as others:
        assert others == (SECOND, WHOLE)
        with (
            pytest.raises(LaunchError, match=r"needs 1 GPU, 0 free: GPU 0 \(MIG 2/0\) is used by"),
            held_gpus("o", ("MIG-22",), said.append),
        ):
            pass
    assert said[0].startswith("n: GPU 0 (MIG 1/0) is used by another session (pid ")
    assert said[0].endswith("): measuring on 0 (MIG 2/0), 1")


def test_who_has_the_whole_gpu_has_its_instances(host: Host) -> None:
    with ExitStack() as stack:
        host("GPU-aa")
        stack.enter_context(held_gpus("m", 1, print))
        host(DIVIDED)  # it is divided while a session holds it
        with pytest.raises(LaunchError, match="needs 1 GPU, 0 free"), held_gpus("n", 1, print):
            pass


def test_an_instance_tells_its_memory_and_nothing_of_the_whole_gpu() -> None:
    samples = gpu_samples((FIRST, SECOND))
    assert samples == (
        GpuSample(0, "MIG-11", memory_bytes=3 << 30, mig="1/0"),
        GpuSample(0, "MIG-22", memory_bytes=1 << 30, mig="2/0"),
    )
    plain = ResourceSample(1, "m", None, None, 50.0, 1)
    sample = with_gpus(plain, samples)
    assert (sample.gpu_percent, sample.gpu_memory_bytes) == (None, 4 << 30)
