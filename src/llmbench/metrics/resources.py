"""What the server used while a cell ran, over its steady window."""

from collections.abc import Sequence
from typing import Any

from llmbench.metrics.windows import Window
from llmbench.records import CellRun, ResourceSample


def usage(samples: Sequence[ResourceSample], run: CellRun, window: Window | None) -> dict[str, Any]:
    """CPU (mean, max), most memory, and the share of time throttled; None without samples.

    Samples outside the window count only where none lies inside it (cells under a second).
    """
    mine = [s for s in samples if s.cell == run.cell_id and s.repeat == run.repeat]
    inside = [s for s in mine if window and window.start_ns <= s.time_ns <= window.end_ns]
    used = inside or mine
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
    known = [(s.time_ns, s.throttled_ns) for s in samples if s.throttled_ns is not None]
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return None
    share = (known[-1][1] - known[0][1]) / (known[-1][0] - known[0][0])
    return min(1.0, max(0.0, share))
