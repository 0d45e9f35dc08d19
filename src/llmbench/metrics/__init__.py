"""Records to numbers: formulas, percentiles, knee, sizing, cost. Pure; see docs/metrics.md.

The names below load their module, and with it pandas and scipy, when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmbench.metrics.curves import Deterioration as Deterioration
    from llmbench.metrics.curves import Findings as Findings
    from llmbench.metrics.curves import Point as Point
    from llmbench.metrics.curves import best_latency as best_latency
    from llmbench.metrics.curves import curve_of as curve_of
    from llmbench.metrics.curves import findings as findings
    from llmbench.metrics.curves import knee as knee
    from llmbench.metrics.curves import peak as peak
    from llmbench.metrics.curves import sustained as sustained
    from llmbench.metrics.economics import Cost as Cost
    from llmbench.metrics.economics import cost as cost
    from llmbench.metrics.economics import usd_per_hour as usd_per_hour
    from llmbench.metrics.percentiles import certifiable as certifiable
    from llmbench.metrics.percentiles import distribution as distribution
    from llmbench.metrics.percentiles import samples_needed as samples_needed
    from llmbench.metrics.ramps import ramp_curve as ramp_curve
    from llmbench.metrics.search import highest_rate as highest_rate
    from llmbench.metrics.sizes import Size as Size
    from llmbench.metrics.sizes import SizedRow as SizedRow
    from llmbench.metrics.sizes import Sizing as Sizing
    from llmbench.metrics.sizes import diminishing as diminishing
    from llmbench.metrics.sizes import sizing as sizing
    from llmbench.metrics.slos import PRESETS as PRESETS
    from llmbench.metrics.slos import resolve as resolve
    from llmbench.metrics.summaries import summarise as summarise
    from llmbench.metrics.tables import table as table

_HOMES = {
    "Cost": "economics",
    "Deterioration": "curves",
    "Findings": "curves",
    "PRESETS": "slos",
    "Point": "curves",
    "Size": "sizes",
    "SizedRow": "sizes",
    "Sizing": "sizes",
    "best_latency": "curves",
    "certifiable": "percentiles",
    "cost": "economics",
    "curve_of": "curves",
    "diminishing": "sizes",
    "distribution": "percentiles",
    "findings": "curves",
    "highest_rate": "search",
    "knee": "curves",
    "peak": "curves",
    "ramp_curve": "ramps",
    "resolve": "slos",
    "samples_needed": "percentiles",
    "sizing": "sizes",
    "summarise": "summaries",
    "sustained": "curves",
    "table": "tables",
    "usd_per_hour": "economics",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
