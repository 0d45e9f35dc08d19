"""The instrument: puts load on a server and records what the kernel saw of the answers."""

from llmbench.load.cell import run_cell
from llmbench.load.progress import Progress

__all__ = ["Progress", "run_cell"]
