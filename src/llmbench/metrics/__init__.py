"""Records to numbers: formulas, percentiles, knee, sizing, cost. Pure; see docs/metrics.md.

The names below load their module, and with it pandas and scipy, when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmbench.metrics.percentiles import (
        certifiable as certifiable,
    )
    from llmbench.metrics.percentiles import (
        distribution as distribution,
    )
    from llmbench.metrics.percentiles import (
        samples_needed as samples_needed,
    )
    from llmbench.metrics.slos import PRESETS as PRESETS
    from llmbench.metrics.slos import resolve as resolve
    from llmbench.metrics.summaries import summarise as summarise
    from llmbench.metrics.tables import table as table

_HOMES = {
    "certifiable": "percentiles",
    "distribution": "percentiles",
    "samples_needed": "percentiles",
    "PRESETS": "slos",
    "resolve": "slos",
    "summarise": "summaries",
    "table": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
