"""What this host is, for ``run.json``: numbers from different hosts are not compared unawares."""

import importlib.metadata
import os
import platform
import socket
from pathlib import Path
from typing import Any

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
    """Name, CPU, cores, memory in bytes, kernel, GPUs and Python of this host."""
    import psutil

    return {
        "hostname": socket.gethostname(),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "system": platform.system(),
        "gpus": gpu_models(),
        "python": platform.python_version(),
    }


def cpu_model() -> str:
    """The processor's name as the kernel tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def gpu_models() -> list[str]:
    """NVIDIA GPUs as their kernel driver lists them; empty where there is none."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names


def package_versions() -> dict[str, str]:
    """Versions of the packages that a number can depend on, where installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
