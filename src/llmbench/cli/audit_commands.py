"""The commands for runs that are published: ``llmbench audit | pack``."""

import argparse
from collections.abc import Callable
from pathlib import Path

AddCommand = Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_audit_commands(add: AddCommand) -> None:
    """Let `add` make a parser for each of these commands, and give it its arguments."""
    made = add("audit", audit)
    made.add_argument("run", type=Path, metavar="RUN|ZIP")
    made.add_argument("--baseline", type=Path, metavar="FILE", help="that was stored from the run")
    made = add("pack", pack)
    made.add_argument("run", type=Path, metavar="RUN")
    made.add_argument("--out", type=Path, metavar="FILE", help="default: RUN.zip")
    made.add_argument("--hosts", action="store_true", help="with the names of hosts and users")
    made.add_argument("--logs", action="store_true", help="with the servers' logs")
    made.add_argument("--prompts", action="store_true", help="with the prompts' texts")


def audit(args: argparse.Namespace) -> int:
    """Recompute a run's figures from its stamps; exit status 1 with what doesn't follow."""
    from llmbench.audit import audit

    outcome = audit(args.run, args.baseline)
    print("\n".join(outcome.lines))
    return 1 if outcome.findings else 0


def pack(args: argparse.Namespace) -> int:
    """Make a ZIP of a run to publish, without secrets or host names, and say what is in it."""
    from llmbench.audit import pack
    from llmbench.store import RunDir

    run = RunDir.open(args.run)
    file = args.out or Path(f"{run.path.resolve().name}.zip")
    print("\n".join(pack(run, file, hosts=args.hosts, logs=args.logs, prompts=args.prompts)))
    return 0
