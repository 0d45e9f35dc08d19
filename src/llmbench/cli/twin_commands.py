"""The commands of twins: ``llmbench fit | predict | plan``."""

import argparse
from collections.abc import Callable
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from llmbench.bench import parse_setting
from llmbench.config import ConfigError, Slo

AddCommand = Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_twin_commands(add: AddCommand) -> None:
    """Let `add` make a parser for each of these commands, and give it its arguments."""
    made = add("fit", fit)
    made.add_argument("run", type=Path, metavar="RUN")
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
    made = add("plan", plan)
    made.add_argument("twin", type=Path, metavar="TWIN.toml")
    made.add_argument("--rate", type=float, required=True, metavar="R", help="requests/s, Poisson")
    made.add_argument("--slo", required=True, metavar="ttft_ms.p95=1000,…")
    made.add_argument("--traffic", metavar="FILE", help="a trace, of whose lengths requests are")
    made.add_argument("--input-tokens", metavar="N,N", help="lengths that are equally frequent")
    made.add_argument("--output-tokens", metavar="N,N")
    made.add_argument("--routing", choices=("round-robin", "least-requests"), default="round-robin")
    made.add_argument("--price", type=float, metavar="USD", help="of a replica, for each hour")


def fit(args: argparse.Namespace) -> int:
    """Fit a twin, a simulated engine that behaves as the server of a run did."""
    from llmbench import twin
    from llmbench.store import RunDir

    told = twin.Told(args.slots, args.token_budget, args.policy)
    fitted = twin.fit_run(RunDir.open(args.run), model=args.model, told=told)
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
        _settings("input_tokens", args.input_tokens, "--input-tokens"),
        _settings("output_tokens", args.output_tokens, "--output-tokens"),
    )
    users = _settings("users", args.users, "--users")
    rates = _settings("rates", args.rate, "--rate")
    loaded = twin.load_twin(args.twin)
    cells = twin.foretell(loaded, lengths, users, rates)
    print("\n".join(twin.foretold_lines(loaded, cells)))
    return 0


def _settings(key: str, text: str | None, flag: str) -> tuple[Any, ...]:
    """The numbers of an option that takes several; none where it is not given."""
    values = () if text is None else parse_setting(key, text, flag)
    assert isinstance(values, tuple)
    return values


def plan(args: argparse.Namespace) -> int:
    """How many replicas of a twin serve traffic within an SLO, and what they cost."""
    from llmbench import twin

    if not 0 < args.rate < inf or (args.price is not None and not 0 < args.price < inf):
        raise ConfigError("plan: --rate and --price are numbers above 0")
    loaded = twin.load_twin(args.twin)
    planned = twin.plan(loaded, _lengths(args), args.rate, parse_slo(args.slo), args.routing)
    bill = None if args.price is None else twin.bill(planned.answer, args.price)
    print("\n".join(twin.plan_lines(loaded, planned, bill)))
    return 0


def _lengths(args: argparse.Namespace) -> tuple[tuple[int, int], ...]:
    """Input and output tokens of the traffic: those of a trace, or all pairs of the options'."""
    if args.traffic is not None:
        from llmbench.load import read_trace

        return tuple((row.input_tokens, row.output_tokens) for row in read_trace(args.traffic))
    inputs = _settings("input_tokens", args.input_tokens, "--input-tokens")
    outputs = _settings("output_tokens", args.output_tokens, "--output-tokens")
    if not inputs or not outputs:
        raise ConfigError("plan: give --traffic FILE, or --input-tokens and --output-tokens")
    return tuple(product(inputs, outputs))


def parse_slo(text: str) -> Slo:
    """The limits in a text like ``ttft_ms.p95=1000,time_per_token_ms.p99=50``."""
    limits: dict[str, dict[str, float]] = {}
    try:
        for word in text.split(","):
            key, _, value = word.strip().partition("=")
            name, _, percentile = key.partition(".")
            limits.setdefault(name, {})[percentile] = float(value)
        return msgspec.convert(limits, Slo)
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"--slo: {text!r}: {error}; as in ttft_ms.p95=1000,time_per_token_ms.p99=50"
        ) from error
