"""Works out what the server used in the steady window of a cell."""

from collections.abc import Sequence
from typing import Any

from llmbench.metrics.windows import Window
from llmbench.records import CellRun, ResourceSample


def usage(samples: Sequence[ResourceSample], run: CellRun, window: Window | None) -> dict[str, Any]:
    """CPU (mean and max), most memory, and the share of time throttled; empty without samples.

    Samples outside the window count only if none lies inside it (in cells of less than a second).
    """
    of_run = [s for s in samples if s.cell == run.cell_id and s.repeat == run.repeat]
    inside = [s for s in of_run if window and window.start_ns <= s.time_ns <= window.end_ns]
    used = inside or of_run
    if not used:
        return {}
    return {
        "cpu_percent_mean": sum(s.cpu_percent for s in used) / len(used),
        "cpu_percent_max": max(s.cpu_percent for s in used),
        "memory_bytes_max": max(s.memory_bytes for s in used),
        "throttled_share": throttled_share(used),
    }


def throttled_share(samples: Sequence[ResourceSample]) -> float | None:
    """Throttled time between the first and the last sample over the time between them."""
    readings = [(s.time_ns, s.throttled_ns) for s in samples if s.throttled_ns is not None]
    if len(readings) < 2 or readings[-1][0] <= readings[0][0]:
        return None
    share = (readings[-1][1] - readings[0][1]) / (readings[-1][0] - readings[0][0])
    return min(1.0, max(0.0, share))
