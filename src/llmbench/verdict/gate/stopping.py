"""Decides when the repeats of a cell may stop: once its verdict is known (``--llm-repeats 3..12``).

Only the baseline and the cell itself are known at that time. Stopping for PASS costs nothing.
Stopping for FAIL needs a p-value that holds for all looks together (Bonferroni), so that looking
often does not make false alarms.
"""

from collections.abc import Sequence

from msgspec import structs

from llmbench.verdict.gate.contrasts import Contrast
from llmbench.verdict.gate.decisions import DEFAULT, Background, Policy, decide

LOOKS = 10
"""The most times that a cell is looked at: after each of 3 to 12 repeats."""


def after_stopping(contrasts: Sequence[Contrast], policy: Policy = DEFAULT) -> Policy:
    """The policy, with half the error rate if the session's cells stopped at different repeats.

    Cells that stop early are those that look quiet, so the noise of all looks smaller than it is.
    """
    repeats: dict[str, int] = {}  # of each cell; a metric may be unknown in some of them
    for contrast in contrasts:
        repeats[contrast.cell] = max(repeats.get(contrast.cell, 0), len(contrast.new))
    stopped = len({*repeats.values()}) > 1
    return structs.replace(policy, looks=2 * policy.looks) if stopped else policy


def settled(
    contrasts: Sequence[Contrast],
    background: Background,
    *,
    cells: int,
    policy: Policy = DEFAULT,
) -> bool:
    """Whether one cell's `contrasts` are decided.

    `background` has, for each metric, the baseline's repeats of the other cells, which show the
    noise; `cells` is how many cells the session tests.
    """
    if not contrasts or any(len(c.new) < policy.least_repeats for c in contrasts):
        return False
    policy = policy.part(policy.of_cells)
    outcomes = decide(contrasts, policy, background)
    return all(o.status == "PASS" for o in outcomes) or any(
        o.status == "FAIL" and o.p_value * cells * len(contrasts) <= policy.family_error / LOOKS
        for o in outcomes
    )
