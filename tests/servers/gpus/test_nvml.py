"""What is read of GPUs, by NVML's names and units."""

import inspect

import pytest

from llmbench.records import GpuSample, ResourceSample
from llmbench.servers.gpus.nvml import SLOWED_BY, Gpu, gpu_samples, gpus_here, with_gpus
from tests.servers.gpus.conftest import FakeNvml, Host

BUSY = {
    "uuid": "GPU-aa",
    "percent": 90,
    "memory_bytes": 70 << 30,
    "power_mw": 653_210,
    "temperature_c": 71,
    "sm_mhz": 1755,
    "reasons": 0x04 | 0x40,
    "energy_mj": 123_456_789,
}


def test_the_gpus_are_listed_with_their_names(host: Host) -> None:
    host("GPU-aa", "GPU-bb")
    assert gpus_here() == (Gpu(0, "GPU-aa"), Gpu(1, "GPU-bb"))


def test_without_a_driver_there_are_those_with_a_device_file(host: Host) -> None:
    host()
    assert all(gpu.uuid is None for gpu in gpus_here())
    assert gpu_samples((Gpu(0),)) == ()


def test_units_are_ours(host: Host) -> None:
    host(BUSY)
    assert gpu_samples(gpus_here()) == (
        GpuSample(
            index=0,
            uuid="GPU-aa",
            percent=90,
            memory_bytes=70 << 30,
            power_w=653.21,
            temperature_c=71,
            sm_mhz=1755,
            slowed_by=("power cap", "heat (hardware)"),
            energy_j=123_456.789,
        ),
    )


def test_what_a_gpu_does_not_tell_is_not_known(host: Host) -> None:
    host({"uuid": "GPU-old", "percent": 5})
    assert gpu_samples(gpus_here()) == (GpuSample(0, "GPU-old", percent=5),)


def test_an_idle_gpu_is_not_slowed(host: Host) -> None:
    host(BUSY | {"reasons": 0x01})
    assert gpu_samples(gpus_here())[0].slowed_by == ()


def test_a_sample_has_their_mean_and_sum_too() -> None:
    gpus = (
        GpuSample(0, percent=90, memory_bytes=1000),
        GpuSample(1, percent=70, memory_bytes=3000),
    )
    plain = ResourceSample(1, "m", None, None, 50.0, 1)
    sample = with_gpus(plain, gpus)
    assert (sample.gpu_percent, sample.gpu_memory_bytes, sample.gpus) == (80, 4000, gpus)
    assert with_gpus(plain, ()) == plain


def test_the_fake_is_like_the_real_module() -> None:
    """Every function and constant that is used exists, with the same arguments and numbers."""
    pynvml = pytest.importorskip("pynvml")
    ours = {
        name: value for name, value in vars(FakeNvml).items() if name.lower().startswith("nvml")
    }
    for name, value in ours.items():
        real = getattr(pynvml, name)
        if isinstance(value, int):
            assert real == value
        elif inspect.isfunction(value):
            expected = len(inspect.signature(value).parameters) - 1
            parameters = inspect.signature(inspect.unwrap(real)).parameters.values()
            assert len([p for p in parameters if p.default is p.empty]) == expected
    bits = [
        pynvml.nvmlClocksThrottleReasonSwPowerCap,
        pynvml.nvmlClocksThrottleReasonHwSlowdown,
        pynvml.nvmlClocksThrottleReasonSwThermalSlowdown,
        pynvml.nvmlClocksThrottleReasonHwThermalSlowdown,
        pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,
    ]
    assert bits == list(SLOWED_BY)
