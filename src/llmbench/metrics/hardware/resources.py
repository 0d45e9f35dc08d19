"""Works out what the server used in the steady window of a cell."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from llmbench.metrics.hardware.cpu_energy import cpu_energy
from llmbench.metrics.hardware.gpu_use import gpu_use
from llmbench.metrics.windows import Window
from llmbench.records import CellRun, ResourceSample


def usage(
    samples: Sequence[ResourceSample],
    run: CellRun,
    window: Window | None,
    output_tokens_per_s: float | None = None,
) -> dict[str, Any]:
    """CPU (mean and max), most memory, shares of time throttled and stolen, frequency, GPUs.

    Empty without samples. Those outside the window count only if none lies inside it (in cells of
    less than a second).
    """
    of_run = [s for s in samples if s.cell == run.cell_id and s.repeat == run.repeat]
    inside = [s for s in of_run if window and window.start_ns <= s.time_ns <= window.end_ns]
    used = inside or of_run
    if not used:
        return {}
    mhz = [s.cpu_mhz for s in used if s.cpu_mhz is not None]
    figures = gpu_use(used, of_run, window, output_tokens_per_s)
    figures |= cpu_energy(of_run, window, output_tokens_per_s)
    return figures | {
        "cpu_percent_mean": sum(s.cpu_percent for s in used) / len(used),
        "cpu_percent_max": max(s.cpu_percent for s in used),
        "memory_bytes_max": max(s.memory_bytes for s in used),
        "throttled_share": share_of_time((s.time_ns, s.throttled_ns) for s in used),
        "steal_share": share_of_time((s.time_ns, s.steal_ns) for s in used),
        "cpu_mhz": fmean(mhz) if mhz else None,
    }


def share_of_time(counted: Iterable[tuple[int, int | None]]) -> float | None:
    """What a counter of ns gained from the first to the last sample, over the time between them."""
    readings = [(time_ns, count) for time_ns, count in counted if count is not None]
    if len(readings) < 2 or readings[-1][0] <= readings[0][0]:
        return None
    share = (readings[-1][1] - readings[0][1]) / (readings[-1][0] - readings[0][0])
    return min(1.0, max(0.0, share))
