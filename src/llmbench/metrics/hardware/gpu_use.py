"""Works out what the server's GPUs did in the steady window of a cell, and the energy it took."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from llmbench.metrics.windows import Window
from llmbench.records import GpuSample, ResourceSample

LEAST_COVERED = 0.5
"""The share of a window that samples must span for its energy to be told."""


def gpu_use(
    used: Sequence[ResourceSample],
    of_run: Sequence[ResourceSample],
    window: Window | None,
    output_tokens_per_s: float | None,
) -> dict[str, Any]:
    """The figures of the samples `used`, and by all those `of_run` the energy of the window.

    Empty for a server without GPUs.
    """
    gpus = [gpu for sample in used for gpu in sample.gpus]
    if not gpus:
        return {}
    slowed = [_slowed(sample.gpus) for sample in used]
    known = [share for share in slowed if share is not None]
    energy_j = None if window is None else energy_in(of_run, window)
    each = None
    if energy_j is not None and window is not None and output_tokens_per_s:
        each = energy_j / (output_tokens_per_s * window.seconds)
    return {
        "gpu_percent_mean": _mean(gpu.percent for gpu in gpus),
        "gpu_memory_bytes_max": max((s.gpu_memory_bytes or 0 for s in used), default=0) or None,
        "gpu_power_w_mean": _mean(_sum(gpu.power_w for gpu in sample.gpus) for sample in used),
        "gpu_temperature_c_max": max(_known(gpu.temperature_c for gpu in gpus), default=None),
        "gpu_sm_mhz_mean": _mean(gpu.sm_mhz for gpu in gpus),
        "gpu_slowed_share": fmean(known) if known else None,
        "gpu_energy_j": energy_j,
        "gpu_energy_per_token_j": each,
    }


def energy_in(samples: Sequence[ResourceSample], window: Window) -> float | None:
    """What all GPUs took in the window (J), by their energy counters; None where not known.

    A counter is read about once a second: between two readings its power is taken to be even, and
    so it is to an edge of the window that no reading reaches.
    """
    counters: dict[int, list[tuple[int, float]]] = {}
    for sample in samples:
        for gpu in sample.gpus:
            if gpu.energy_j is None:
                return None
            counters.setdefault(gpu.index, []).append((sample.time_ns, gpu.energy_j))
    parts = [gained(readings, window) for readings in counters.values()]
    return _sum(parts)


def gained(readings: Sequence[tuple[int, float]], window: Window) -> float | None:
    """What a counter of energy gained in the window; None where readings span too little of it."""
    instants = [(time_ns - window.start_ns) / 1e9 for time_ns, _energy in readings]
    first, last = max(0.0, instants[0]), min(window.seconds, instants[-1])
    if last - first < LEAST_COVERED * window.seconds or last <= first:
        return None
    before, after = np.interp([first, last], instants, [energy for _, energy in readings])
    return float(after - before) * window.seconds / (last - first)


def _slowed(gpus: Sequence[GpuSample]) -> float | None:
    """The share of the GPUs that were slowed; None where none tells."""
    told = [bool(gpu.slowed_by) for gpu in gpus if gpu.slowed_by is not None]
    return fmean(told) if told else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return fmean(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum; None where a part, or everything, is not known."""
    parts = list(values)
    return sum(_known(parts)) if parts and None not in parts else None
