"""Reads the gate's terms before anything is measured, so that a mistake in them costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbench.plugin.options import Options


def check_gate(options: Options) -> None:
    """Refuse what of the gate's terms can't be read, and a baseline that isn't there."""
    allowances = {
        "--llm-host-allowance": options.host_allowance,
        "--llm-launch-allowance": options.launch_allowance,
    }
    if not any((options.tolerance, options.baseline, *allowances.values())):
        return
    from llmbench.verdict import load_baseline, parse_allowance, parse_tolerances

    parse_tolerances(options.tolerance)
    for flag, text in allowances.items():
        if text:
            parse_allowance(text, flag)
    if options.baseline:
        load_baseline(options.baselines_dir, options.baseline)
