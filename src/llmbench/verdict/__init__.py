"""Validity, baselines and the regression gate; see docs/verdict.md.

The names below load their module, and with it pandas and scipy, when they are first used.
`llmbench.verdict.results.results` judges a whole run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmbench.verdict.results import JudgedCell as JudgedCell
    from llmbench.verdict.results import judged_cells as judged_cells
    from llmbench.verdict.rules import Rules as Rules
    from llmbench.verdict.validity import judge as judge

_HOMES = {
    "JudgedCell": "results",
    "Rules": "rules",
    "judge": "validity",
    "judged_cells": "results",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
