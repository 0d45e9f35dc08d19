"""Reads the gate's terms before anything is measured, so that a mistake in them costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbench.plugin.options import Options


def check_gate(options: Options) -> None:
    """Refuse what of the gate's terms can't be read, and a baseline that isn't there."""
    if not options.tolerance and not options.baseline and not options.host_allowance:
        return
    from llmbench.verdict import load_baseline, parse_allowance, parse_tolerances

    parse_tolerances(options.tolerance)
    if options.host_allowance:
        parse_allowance(options.host_allowance)
    if options.baseline:
        load_baseline(options.baselines_dir, options.baseline)
