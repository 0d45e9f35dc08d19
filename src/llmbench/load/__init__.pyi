from .cell import run_cell as run_cell
from .plan.traces import read_trace as read_trace
from .progress import Progress as Progress
