"""Makes a curve of a ramp's steps, each of which is summarised like a cell of that many users."""

from collections.abc import Sequence

import pandas as pd
from msgspec import structs

from llmbench.cells import Users
from llmbench.metrics.capacity.curves import Point
from llmbench.metrics.summary import summarise
from llmbench.metrics.windows import Window
from llmbench.records import CellRun


def ramp_curve(run: CellRun, requests: pd.DataFrame) -> list[Point]:
    """The steps of one repeat of a ramp, by users.

    A step has the window of a closed loop, from the latest of its users' first sends in it to the
    earliest of their last ends in it, so that no request counts that ran under two loads. Its
    latencies are those of the requests sent in that window, all of which had ended.
    """
    of_run = (requests["cell"] == run.cell_id) & (requests["repeat"] == run.repeat)
    of_repeat = requests[of_run]
    points, start_ns = [], run.started_ns
    for number, (users, end_ns) in enumerate(run.step_ends_ns):
        # only a server's first requests warm it up; users that begin later find it warm
        warm = of_repeat if number else of_repeat[of_repeat["phase"] == "measured"]
        points.append(_step(run, warm.assign(phase="measured"), users, start_ns, end_ns))
        start_ns = end_ns
    return points


def steady_points(curve: Sequence[Point]) -> list[Point]:
    """The steps that were long enough to be steady, on which a curve's findings rest."""
    return [point for point in curve if point.summary.window_rule == "steady"]


def _step(run: CellRun, requests: pd.DataFrame, users: int, start_ns: int, end_ns: int) -> Point:
    """One step; without a steady window it has all requests that were under way in it."""
    cell = structs.replace(run.cell, shape=Users(users))
    step = structs.replace(run, cell=cell, started_ns=start_ns, ended_ns=end_ns, client_cpu_ns=0)
    sent, done = requests["sent_ns"].fillna(requests["scheduled_ns"]), requests["done_ns"]
    within = requests[(sent >= start_ns) & (done <= end_ns)]
    if within["user"].nunique() == users:
        summary = summarise(step, within)
        if summary.window_rule == "steady":
            return Point(users, summary)
    under_way = requests[(sent < end_ns) & (done > start_ns)]
    return Point(users, summarise(step, under_way, window=Window(start_ns, end_ns, "whole")))
