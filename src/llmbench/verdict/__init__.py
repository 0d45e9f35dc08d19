"""Validity, baselines and the regression gate; see docs/verdict.md.

The names below load their module, and with it pandas and scipy, when they are first used.
`llmbench.verdict.results.results` judges a whole run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmbench.verdict.baselines import Measured as Measured
    from llmbench.verdict.baselines import load_baseline as load_baseline
    from llmbench.verdict.baselines import measure as measure
    from llmbench.verdict.baselines import read_baseline as read_baseline
    from llmbench.verdict.baselines import save_baseline as save_baseline
    from llmbench.verdict.gates import compare as compare
    from llmbench.verdict.gates import decided as decided
    from llmbench.verdict.gates import gate as gate
    from llmbench.verdict.gates import gate_run as gate_run
    from llmbench.verdict.history import append_history as append_history
    from llmbench.verdict.history import otava_config as otava_config
    from llmbench.verdict.pairs import abba as abba
    from llmbench.verdict.pairs import versus as versus
    from llmbench.verdict.results import JudgedCell as JudgedCell
    from llmbench.verdict.results import judged_cells as judged_cells
    from llmbench.verdict.rules import Rules as Rules
    from llmbench.verdict.tolerances import TOLERANCES as TOLERANCES
    from llmbench.verdict.tolerances import parse_tolerances as parse_tolerances
    from llmbench.verdict.validity import judge as judge
    from llmbench.verdict.verdicts import Comparison as Comparison
    from llmbench.verdict.verdicts import Fault as Fault
    from llmbench.verdict.verdicts import Verdict as Verdict
    from llmbench.verdict.wording import lines as lines
    from llmbench.verdict.wording import markdown as markdown
    from llmbench.verdict.wording import to_json as to_json

_HOMES = {
    "append_history": "history",
    "otava_config": "history",
    "Comparison": "verdicts",
    "Fault": "verdicts",
    "JudgedCell": "results",
    "Measured": "baselines",
    "Rules": "rules",
    "TOLERANCES": "tolerances",
    "Verdict": "verdicts",
    "abba": "pairs",
    "compare": "gates",
    "decided": "gates",
    "gate": "gates",
    "gate_run": "gates",
    "judge": "validity",
    "judged_cells": "results",
    "lines": "wording",
    "load_baseline": "baselines",
    "markdown": "wording",
    "measure": "baselines",
    "parse_tolerances": "tolerances",
    "read_baseline": "baselines",
    "save_baseline": "baselines",
    "to_json": "wording",
    "versus": "pairs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
