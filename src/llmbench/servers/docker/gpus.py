"""Counts the GPUs of this host and reads how busy the server's are (NVML)."""

from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct


class GpuUse(Struct, frozen=True):
    """The mean utilisation in percent and the memory in use, over the GPUs asked about."""

    percent: float
    memory_bytes: int


def gpu_count() -> int:
    """The number of NVIDIA GPUs, from NVML or else from their device files."""
    nvml = _nvml()
    if nvml is not None:
        return int(nvml.nvmlDeviceGetCount())
    return sum(path.name.removeprefix("nvidia").isdigit() for path in Path("/dev").glob("nvidia*"))


def gpu_use(indices: range) -> GpuUse | None:
    """The present use of the GPUs `indices`; None without any GPU or without NVML."""
    nvml = _nvml()
    if nvml is None or not indices:
        return None
    percents: list[int] = []
    memory_bytes = 0
    try:
        for index in indices:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            percents.append(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
            memory_bytes += nvml.nvmlDeviceGetMemoryInfo(handle).used
    except nvml.NVMLError:
        return None
    return GpuUse(sum(percents) / len(percents), memory_bytes)


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
