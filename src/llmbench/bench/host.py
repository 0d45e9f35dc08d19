"""Describes this host for ``run.json``, so that numbers of two hosts aren't compared unawares."""

import importlib.metadata
import platform
import socket
from pathlib import Path
from typing import Any

from llmbench.bench.hardware import describe_hardware
from llmbench.servers import energy_unknown, usable_cores

PACKAGES = (
    "pytest-llmbench",
    "pytest",
    "pytest-benchmark",
    "httpx",
    "httptools",
    "msgspec",
    "numpy",
    "pandas",
    "tokenizers",
    "transformers",
    "xllamacpp",
    "docker",
)


def describe_host() -> dict[str, Any]:
    """The name, CPU, cores, memory in bytes, kernel, GPUs and Python of this host, and hardware."""
    import psutil

    return {
        "hostname": socket.gethostname(),
        "cpu": cpu_model(),
        "cores": len(usable_cores()),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "system": platform.system(),
        "gpus": gpu_models(),
        "python": platform.python_version(),
        **describe_hardware(),
        **_energy(),
    }


def _energy() -> dict[str, str]:
    """Why the energy of a server on this host can't be known; empty where it can."""
    reason = energy_unknown()
    return {} if reason is None else {"energy_unknown": reason}


def cpu_model() -> str:
    """The processor's name as the kernel gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def gpu_models() -> list[str]:
    """The NVIDIA GPUs that their kernel driver lists; empty without any."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names


def package_versions() -> dict[str, str]:
    """The versions of the installed packages that a number can depend on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
