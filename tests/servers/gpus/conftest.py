"""A host with GPUs, played by a module in the place of `pynvml`: no test here ran on a GPU.

Its functions have the names, arguments, units and errors of nvidia-ml-py; `test_nvml.py` compares
them with the real module where that is installed.
"""

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from llmbench.servers.gpus import nvml


class NVMLError(Exception):
    """What every function of NVML raises."""


class FakeNvml:
    """NVML of a host whose GPUs are described by `gpus`; a missing fact is not supported."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1
    NVML_DEVICE_MIG_ENABLE = 1

    def __init__(self, *gpus: dict[str, Any]) -> None:
        self.gpus = gpus

    def nvmlInit(self) -> None:
        if not self.gpus:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self.gpus):
            raise NVMLError("Invalid Argument")
        return self.gpus[index]

    def nvmlDeviceGetUUID(self, handle: dict[str, Any]) -> str:
        return str(self._told(handle, "uuid"))

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> dict[str, Any]:
        every = [*self.gpus, *(part for gpu in self.gpus for part in gpu.get("parts", ()) if part)]
        return next(handle for handle in every if handle["uuid"] == uuid)

    def nvmlDeviceGetMigMode(self, handle: dict[str, Any]) -> list[int]:
        return [int(bool(self._told(handle, "parts"))), 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: dict[str, Any]) -> int:
        return len(handle["parts"])

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: dict[str, Any], index: int) -> Any:
        if handle["parts"][index] is None:
            raise NVMLError("Not Found")
        return handle["parts"][index]

    def nvmlDeviceGetGpuInstanceId(self, handle: dict[str, Any]) -> Any:
        return self._told(handle, "gi")

    def nvmlDeviceGetComputeInstanceId(self, handle: dict[str, Any]) -> Any:
        return self._told(handle, "ci")

    def nvmlDeviceGetUtilizationRates(self, handle: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(gpu=self._told(handle, "percent"), memory=0)

    def nvmlDeviceGetMemoryInfo(self, handle: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(total=80 << 30, free=0, used=self._told(handle, "memory_bytes"))

    def nvmlDeviceGetPowerUsage(self, handle: dict[str, Any]) -> Any:
        return self._told(handle, "power_mw")

    def nvmlDeviceGetTemperature(self, handle: dict[str, Any], sensor: int) -> Any:
        assert sensor == self.NVML_TEMPERATURE_GPU
        return self._told(handle, "temperature_c")

    def nvmlDeviceGetClockInfo(self, handle: dict[str, Any], clock: int) -> Any:
        assert clock == self.NVML_CLOCK_SM
        return self._told(handle, "sm_mhz")

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: dict[str, Any]) -> Any:
        return self._told(handle, "reasons")

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: dict[str, Any]) -> Any:
        return self._told(handle, "energy_mj")

    @staticmethod
    def _told(handle: dict[str, Any], fact: str) -> Any:
        if fact not in handle:
            raise NVMLError("Not Supported")
        return handle[fact]


Host = Callable[..., None]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Makes this a host with these GPUs; one that is only named has nothing else to tell."""

    def have(*gpus: dict[str, Any] | str) -> None:
        described = [{"uuid": gpu} if isinstance(gpu, str) else gpu for gpu in gpus]
        monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(*described))
        nvml._nvml.cache_clear()

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield have
    nvml._nvml.cache_clear()
