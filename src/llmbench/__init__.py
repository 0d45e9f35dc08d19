"""pytest-llmbench: the server's own numbers, with a verdict that can gate a merge.

These names are what a suite imports. Each is loaded when it is first used, so that a pytest
run with the plugin installed but no benchmark in it pays for none of them.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbench.bench import Bench as Bench
    from llmbench.bench import Measured as Measured
    from llmbench.cells import Arrivals as Arrivals
    from llmbench.cells import Cell as Cell
    from llmbench.cells import Limits as Limits
    from llmbench.cells import Ramp as Ramp
    from llmbench.cells import Trace as Trace
    from llmbench.cells import Users as Users
    from llmbench.config import ConfigError as ConfigError
    from llmbench.config import ModelConfig as ModelConfig
    from llmbench.config import load_model as load_model
    from llmbench.config import load_models as load_models
    from llmbench.fixtures import Benchmark as Benchmark
    from llmbench.fixtures import Gate as Gate
    from llmbench.fixtures import Replay as Replay
    from llmbench.launcher import Servers as Servers
    from llmbench.plugin_options import session_settings as session_settings
    from llmbench.report import write_report as write_report
    from llmbench.shelf import Shelf as Shelf
    from llmbench.store import RunDir as RunDir
    from llmbench.summaries import CellResult as CellResult
    from llmbench.summaries import CellSummary as CellSummary

_HOMES = {
    "Bench": "bench", "Measured": "bench", "Arrivals": "cells", "Cell": "cells",
    "Limits": "cells", "Ramp": "cells", "Trace": "cells", "Users": "cells",
    "ConfigError": "config", "ModelConfig": "config", "load_model": "config",
    "load_models": "config", "Benchmark": "fixtures", "Gate": "fixtures", "Replay": "fixtures",
    "Servers": "launcher", "session_settings": "plugin_options",
    "write_report": "report", "Shelf": "shelf", "RunDir": "store",
    "CellResult": "summaries", "CellSummary": "summaries",
}  # fmt: skip
__all__ = tuple(_HOMES)  # a test holds the two lists together


def __getattr__(name: str) -> object:
    """The public name `name`, from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llmbench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"llmbench.{_HOMES[name]}"), name)
