"""The command of audits: ``llmbench audit``."""

import argparse
from collections.abc import Callable
from pathlib import Path

AddCommand = Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_audit_commands(add: AddCommand) -> None:
    """Let `add` make the command's parser, and give it its arguments."""
    made = add("audit", audit)
    made.add_argument("run", type=Path, metavar="RUN|ZIP")
    made.add_argument("--baseline", type=Path, metavar="FILE", help="that was stored from the run")


def audit(args: argparse.Namespace) -> int:
    """Recompute a run's figures from its stamps; exit status 1 with what doesn't follow."""
    from llmbench.audit import audit

    outcome = audit(args.run, args.baseline)
    print("\n".join(outcome.lines))
    return 1 if outcome.findings else 0
