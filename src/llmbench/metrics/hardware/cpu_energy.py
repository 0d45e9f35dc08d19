"""Works out what processors and memory took for a cell beyond what they take when idle."""

from collections.abc import Sequence
from typing import Any

from llmbench.metrics.hardware.gpu_use import gained
from llmbench.metrics.windows import Window
from llmbench.records import ResourceSample


def cpu_energy(
    samples: Sequence[ResourceSample], window: Window | None, output_tokens_per_s: float | None
) -> dict[str, Any]:
    """Energy of the window and of each output token, and power; empty where they aren't counted.

    The counters are of the whole host, so its idle power before the launch is subtracted.
    """
    counted = [
        (sample.time_ns, sample.package_j + (sample.dram_j or 0.0), sample.idle_power_w)
        for sample in samples
        if sample.package_j is not None
    ]
    if window is None or window.seconds <= 0 or not counted:
        return {}
    whole_j = gained([(time_ns, joules) for time_ns, joules, _ in counted], window)
    idle_w = counted[0][2]
    if whole_j is None or idle_w is None:
        return {"idle_power_w": idle_w}
    energy_j = max(0.0, whole_j - idle_w * window.seconds)
    tokens = (output_tokens_per_s or 0.0) * window.seconds
    return {
        "cpu_energy_j": energy_j,
        "cpu_energy_per_token_j": energy_j / tokens if tokens else None,
        "cpu_power_w_mean": whole_j / window.seconds,
        "idle_power_w": idle_w,
    }
