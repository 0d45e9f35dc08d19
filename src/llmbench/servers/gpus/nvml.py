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
    """A GPU: its number as nvidia-smi has it, and its UUID, which is known only with NVML.

    Or an instance of a GPU that is divided by MIG: then `mig` is the numbers of its GPU instance
    and compute instance (``1/0``), and `whole` the UUID of the GPU that it is a part of.
    """

    index: int
    uuid: str | None = None
    mig: str | None = None
    whole: str | None = None

    @property
    def name(self) -> str:
        """As people call it: ``0``, or ``0 (MIG 1/0)``."""
        return str(self.index) if self.mig is None else f"{self.index} (MIG {self.mig})"

    @property
    def id(self) -> str:
        """What an engine is given to name it."""
        return self.uuid or str(self.index)


def gpus_here() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs of this host, from NVML or else from their device files.

    In the place of one that is divided by MIG there are its instances.
    """
    nvml = _nvml()
    if nvml is None:
        numbers = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia*"))
        return tuple(Gpu(index) for index in sorted(int(n) for n in numbers if n.isdigit()))
    handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    return tuple(gpu for index, h in enumerate(handles) for gpu in _devices(nvml, index, h))


def _devices(nvml: Any, index: int, handle: Any) -> list[Gpu]:
    """The GPU `index`, or its instances."""
    uuid = nvml.nvmlDeviceGetUUID(handle)
    if not _is_divided(nvml, handle):
        return [Gpu(index, uuid)]
    instances = []
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        with suppress(nvml.NVMLError):  # no instance has that number
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            gpu_instance = nvml.nvmlDeviceGetGpuInstanceId(part)
            mig = f"{gpu_instance}/{nvml.nvmlDeviceGetComputeInstanceId(part)}"
            instances.append(Gpu(index, nvml.nvmlDeviceGetUUID(part), mig, uuid))
    return instances


def _is_divided(nvml: Any, handle: Any) -> bool:
    try:
        mode, _pending = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:  # a GPU without MIG
        return False
    return bool(mode == nvml.NVML_DEVICE_MIG_ENABLE)


def gpu_samples(gpus: Sequence[Gpu]) -> tuple[GpuSample, ...]:
    """What `gpus` do at present; empty without NVML. What a GPU doesn't tell is None."""
    nvml = _nvml()
    if nvml is None:
        return ()
    return tuple(_sample(nvml, g) if g.mig is None else _sample_mig(nvml, g) for g in gpus)


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


def _sample_mig(nvml: Any, gpu: Gpu) -> GpuSample:
    """The memory of an instance; what else NVML tells is of the whole GPU, or not supported."""
    used = None
    with suppress(nvml.NVMLError):
        used = nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByUUID(gpu.uuid)).used
    return GpuSample(gpu.index, gpu.uuid, memory_bytes=used, mig=gpu.mig)


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
