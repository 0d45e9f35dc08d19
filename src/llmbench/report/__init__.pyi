from .markdown import markdown as markdown
from .page.comparison import comparison_page as comparison_page
from .page.overlay import overlay as overlay
from .tables.run_files import write_cell as write_cell
from .terminal.cell_table import terminal_table as terminal_table
from .terminal.highlights import highlights as highlights
from .write import kept_verdict as kept_verdict
from .write import write_report as write_report
