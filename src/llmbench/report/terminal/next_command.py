"""The command to try next after a first look at a server."""

import math
import shlex
from collections.abc import Sequence

from llmbench.cells import Users
from llmbench.report.page.details import whole_command
from llmbench.results import CellResult
from llmbench.store import RunInfo

RISING = 1.05
"""By how much more requests/s the most users must have than any fewer for more to be worth it."""

QUOTABLE = 90
"""The requests in a cell from which on its p95 has an interval."""


def next_command(info: RunInfo, results: Sequence[CellResult]) -> str | None:
    """What to run next, and why; None where a cell can't be trusted or there is nothing to say."""
    rates = {
        result.summary.cell.shape.users: result.summary.requests_per_s or 0.0
        for result in results
        if isinstance(result.summary.cell.shape, Users)
    }
    if len(rates) < 2 or not all(result.valid for result in results):
        return None
    most = max(rates)
    if rates[most] > RISING * max(rate for users, rate in rates.items() if users < most):
        why = f"requests/s still rose at {most} users"
        return _line(info, why, ("--llm-users", f"{2 * most},{4 * most}"))
    best = max(rates, key=lambda users: rates[users])
    requests = math.ceil(QUOTABLE / best)
    why = f"{QUOTABLE} requests at the {best} users with the most requests/s, for a p95 to quote"
    return _line(info, why, ("--llm-users", str(best), "--llm-requests", str(requests)))


def _line(info: RunInfo, why: str, options: Sequence[str]) -> str:
    """The run's own command with other `options`."""
    flags = {"--llm-run-dir", "-k", *options[::2]}
    kept, skip = list[str](), False
    for word in whole_command(info):
        if skip or word in flags:
            skip = not skip
        elif word.partition("=")[0] not in flags:
            kept.append(word)
    return f"next ({why}): {shlex.join([*kept, *options])}"
