"""Makes a curve of a ramp's steps, each of which is summarised like a cell of that many users."""

import pandas as pd
from msgspec import structs

from llmbench.cells import Users
from llmbench.metrics.curves import Point
from llmbench.metrics.summary import summarise
from llmbench.records import CellRun


def ramp_curve(run: CellRun, requests: pd.DataFrame) -> list[Point]:
    """The steps of one repeat of a ramp, by users.

    A request belongs to the step in which it was both sent and answered; one that began in the
    step before, or went on into the next, ran under two loads. A step that answered no request
    has a point whose numbers are not known.
    """
    of_run = (requests["cell"] == run.cell_id) & (requests["repeat"] == run.repeat)
    measured = requests[of_run & (requests["phase"] == "measured")]
    points, start = [], run.started_ns
    for users, end in run.step_ends_ns:
        sent = measured["sent_ns"].fillna(measured["scheduled_ns"])
        inside = measured[(sent >= start) & (measured["done_ns"] <= end)]
        cell = structs.replace(run.cell, shape=Users(users))
        step = structs.replace(run, cell=cell, started_ns=start, ended_ns=end, client_cpu_ns=0)
        points.append(Point(users, summarise(step, inside)))
        start = end
    return points
