"""Turns a run's directory into things to look at: CSV, Parquet, charts, a page, a terminal table.

Everything here reads only the run's directory, so that a run can be drawn again at any time.
The heavy libraries are loaded when something is first drawn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
