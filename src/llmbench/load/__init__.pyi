from .cell import api_for as api_for
from .cell import run_cell as run_cell
from .plan.requests import kept_apart as kept_apart
from .plan.shapes import due_ns as due_ns
from .plan.traces import input_lengths as input_lengths
from .plan.traces import read_trace as read_trace
from .progress import Progress as Progress
