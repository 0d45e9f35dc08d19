"""A run's directory as files to look at: CSV, Parquet, charts, one page, lines in a terminal.

Everything here reads the run's directory only, so that a run can be drawn again at any time.
The heavy libraries are loaded when something is first drawn.
"""

from llmbench.report.comparisons import comparison_page
from llmbench.report.files import write_cell
from llmbench.report.highlights import highlights
from llmbench.report.markdown import markdown
from llmbench.report.overlays import overlay
from llmbench.report.terminal import terminal_table
from llmbench.report.write import write_report

__all__ = [
    "comparison_page",
    "highlights",
    "markdown",
    "overlay",
    "terminal_table",
    "write_cell",
    "write_report",
]
