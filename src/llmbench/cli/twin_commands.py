"""The commands of twins: ``llmbench fit | predict``."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmbench.bench import parse_setting
from llmbench.config import ConfigError

AddCommand = Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_twin_commands(add: AddCommand) -> None:
    """Let `add` make a parser for each of these commands, and give it its arguments."""
    made = add("fit", fit)
    made.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="one, or several of a server"
    )
    made.add_argument("--out", type=Path, default=Path("twin.toml"), metavar="FILE")
    made.add_argument("--model", metavar="NAME", help="one of the run's configurations")
    made.add_argument("--slots", type=int, metavar="N", help="sequences that the engine may run")
    made.add_argument("--token-budget", type=int, metavar="N", help="tokens of a step, at most")
    made.add_argument("--policy", choices=("mixed", "prefill-first"))
    made = add("predict", predict)
    made.add_argument("twin", type=Path, metavar="TWIN.toml")
    made.add_argument("--input-tokens", required=True, metavar="N,N")
    made.add_argument("--output-tokens", required=True, metavar="N,N")
    made.add_argument("--users", metavar="N,N", help="closed loop")
    made.add_argument("--rate", metavar="R,R", help="open loop, requests/s")


def fit(args: argparse.Namespace) -> int:
    """Fit a twin, a simulated engine that behaves as the server of these runs did."""
    from llmbench import twin
    from llmbench.store import RunDir

    told = twin.Told(args.slots, args.token_budget, args.policy)
    fitted = twin.fit_run(*map(RunDir.open, args.runs), model=args.model, told=told)
    print("\n".join(twin.fit_lines(fitted)))
    twin.write_twin(args.out, fitted.twin)
    print(f"twin: {args.out}")
    return 0


def predict(args: argparse.Namespace) -> int:
    """Predict what cells would show, with intervals, from a twin."""
    from llmbench import twin

    if not (args.users or args.rate):
        raise ConfigError("predict: give --users or --rate")
    lengths = (
        settings("input_tokens", args.input_tokens, "--input-tokens"),
        settings("output_tokens", args.output_tokens, "--output-tokens"),
    )
    users = settings("users", args.users, "--users")
    rates = settings("rates", args.rate, "--rate")
    loaded = twin.load_twin(args.twin)
    cells = twin.foretell(loaded, lengths, users, rates)
    print("\n".join(twin.foretold_lines(loaded, cells)))
    return 0


def settings(key: str, text: str | None, flag: str) -> tuple[Any, ...]:
    """The numbers of an option that takes several; none where it is not given."""
    values = () if text is None else parse_setting(key, text, flag)
    assert isinstance(values, tuple)
    return values
