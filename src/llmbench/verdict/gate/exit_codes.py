"""Turns a verdict into the exit status of ``llmbench compare``, as ``git bisect run`` reads it."""

from typing import Literal

from llmbench.verdict.gate.verdicts import Verdict

SAME, SLOWER, UNTOLD = 0, 1, 125
"""Good, bad, and "can't be told: try a commit beside it" (git-bisect(1))."""


def exit_code(verdict: Verdict, inconclusive: Literal["pass", "fail"] | None = None) -> int:
    """0: the same or better; 1: slower, or the rate no longer sustained; 125: can't tell.

    What is MISSING, INVALID or REFUSED can't be told, nor what is INCONCLUSIVE unless
    `inconclusive` says what that comes to. A FAIL of one cell outweighs what of others is untold.
    """
    overloaded = any(fault.state == "OVERLOADED" for fault in verdict.faults)
    if not verdict.refused and (verdict.regressions or overloaded):
        return SLOWER
    match verdict.state, inconclusive:
        case ("PASS", _) | ("INCONCLUSIVE", "pass"):
            return SAME
        case ("INCONCLUSIVE", "fail"):
            return SLOWER
        case _:
            return UNTOLD
