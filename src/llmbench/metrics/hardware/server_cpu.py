"""Works out how much CPU time a token costs the server: a figure that a busy host hardly moves.

A server that waits for a core that another process or another VM has takes longer, but computes
no more. All CPU time of the window counts, whatever it was for (prefill, decoding, HTTP), so the
figure is one of the cell: it is held against the same cell, not against one of other lengths.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from llmbench.metrics.windows import Window
from llmbench.records import CellRun


def cpu_for_tokens(
    run: CellRun,
    window: Window | None,
    output_tokens_per_s: float | None,
    input_tokens_per_s: float | None,
) -> dict[str, Any]:
    """CPU time of the window / output tokens of the window, and / its prompt tokens, in ms."""
    computes_on_cpu = run.endpoint.launch.computes_on == "cpu"
    used_ns = None if window is None else cpu_in(run.server_cpu_ns, window)
    if window is None or used_ns is None:
        return {"computes_on_cpu": computes_on_cpu}
    each = {
        "cpu_per_token_ms": output_tokens_per_s,
        "cpu_per_prompt_token_ms": input_tokens_per_s,
    }
    return {"computes_on_cpu": computes_on_cpu} | {
        name: used_ns / 1e6 / (per_s * window.seconds) for name, per_s in each.items() if per_s
    }


def cpu_in(readings: Sequence[tuple[int, int]], window: Window) -> float | None:
    """The CPU time (ns) used in the window; None where readings don't reach around it.

    An edge lies between two readings, which are 50 ms or a 200th of the repeat apart; between them
    the time is taken to have been used evenly.
    """
    if not readings or window.seconds <= 0:
        return None
    instants, used = zip(*readings, strict=True)
    if instants[0] > window.start_ns or instants[-1] < window.end_ns:
        return None
    since = [instant - window.start_ns for instant in instants]
    before, after = np.interp(
        [0, window.end_ns - window.start_ns], since, [u - used[0] for u in used]
    )
    return float(after - before)
