"""A run's directory as files to look at: CSV, Parquet, charts, one page, lines in a terminal.

Everything here reads the run's directory only, so that a run can be drawn again at any time.
The heavy libraries are loaded when something is first drawn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
