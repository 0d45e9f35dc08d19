"""Lists the GPUs of this host and reads what they do, by NVML (the extra `gpu`)."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from msgspec import Struct, structs

from llmbench.records import GpuSample, ResourceSample

SLOWED_BY = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "heat",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
"""NVML's clocks event reasons (nvml.h) by which a busy GPU runs slower than it could."""


class Gpu(Struct, frozen=True):
    """A GPU: its number as nvidia-smi has it, and its UUID, which is known only with NVML."""

    index: int
    uuid: str | None = None

    @property
    def id(self) -> str:
        """What an engine is given to name it."""
        return self.uuid or str(self.index)


def gpus_here() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs of this host, from NVML or else from their device files."""
    nvml = _nvml()
    if nvml is None:
        numbers = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia*"))
        return tuple(Gpu(index) for index in sorted(int(n) for n in numbers if n.isdigit()))
    handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    return tuple(Gpu(index, nvml.nvmlDeviceGetUUID(h)) for index, h in enumerate(handles))


def gpu_samples(gpus: Sequence[Gpu]) -> tuple[GpuSample, ...]:
    """What `gpus` do at present; empty without NVML. What a GPU doesn't tell is None."""
    nvml = _nvml()
    if nvml is None:
        return ()
    return tuple(_sample(nvml, gpu) for gpu in gpus)


def with_gpus(sample: ResourceSample, gpus: tuple[GpuSample, ...]) -> ResourceSample:
    """`sample` with each of its server's GPUs, their mean utilisation and their memory in all."""
    percents = [gpu.percent for gpu in gpus if gpu.percent is not None]
    sizes = [gpu.memory_bytes for gpu in gpus if gpu.memory_bytes is not None]
    return structs.replace(
        sample,
        gpu_percent=fmean(percents) if percents else None,
        gpu_memory_bytes=sum(sizes) if sizes else None,
        gpus=gpus,
    )


def _sample(nvml: Any, gpu: Gpu) -> GpuSample:
    def told(ask: Callable[[Any], Any]) -> Any:
        """An answer; None where this GPU has none (NVMLError_NotSupported, GPU_IS_LOST, …)."""
        with suppress(nvml.NVMLError):
            return ask(nvml.nvmlDeviceGetHandleByIndex(gpu.index))
        return None

    power_mw = told(nvml.nvmlDeviceGetPowerUsage)
    energy_mj = told(nvml.nvmlDeviceGetTotalEnergyConsumption)
    reasons = told(nvml.nvmlDeviceGetCurrentClocksThrottleReasons)
    return GpuSample(
        index=gpu.index,
        uuid=gpu.uuid,
        percent=told(lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu),
        memory_bytes=told(lambda h: nvml.nvmlDeviceGetMemoryInfo(h).used),
        power_w=None if power_mw is None else power_mw / 1e3,
        temperature_c=told(lambda h: nvml.nvmlDeviceGetTemperature(h, nvml.NVML_TEMPERATURE_GPU)),
        sm_mhz=told(lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_SM)),
        slowed_by=None
        if reasons is None
        else tuple(name for bit, name in SLOWED_BY.items() if reasons & bit),
        energy_j=None if energy_mj is None else energy_mj / 1e3,
    )


@cache
def _nvml() -> Any:
    """The NVML module, initialised; None where the extra `gpu` or the driver is missing."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
