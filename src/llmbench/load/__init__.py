"""The instrument: puts load on a server and records what the kernel saw of the answers."""

from llmbench.load.cell import run_cell
from llmbench.load.progress import Progress
from llmbench.load.traces import read_trace

__all__ = ["Progress", "read_trace", "run_cell"]
