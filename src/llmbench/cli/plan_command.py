"""``llmbench plan``: how many replicas of a twin serve traffic, and what they cost."""

import argparse
from itertools import product
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from llmbench.cli.twin_commands import AddCommand, settings
from llmbench.config import ConfigError, Slo
from llmbench.prices import TokenPrice, UnknownPrice, api_named, machine_named
from llmbench.traffic import Conversations, Lengths, Mix, Replayed, SharedPrefix
from llmbench.value_types import PrefixCacheSize

if TYPE_CHECKING:
    from llmbench.twin import Question

_TRACES = (".csv", ".jsonl", ".json", ".ndjson")
_TRAFFIC = Path("fixtures/traffic")


def add_plan_command(add: AddCommand) -> None:
    """Let `add` make the command's parser, and give it its arguments."""
    made = add("plan", plan)
    made.add_argument("twin", type=Path, metavar="TWIN.toml")
    made.add_argument("--rate", type=float, required=True, metavar="R", help="requests/s, Poisson")
    made.add_argument("--slo", required=True, metavar="ttft_ms.p95=1000,…")
    made.add_argument(
        "--traffic", metavar="NAME|FILE", help="of fixtures/traffic, a TOML file, or a trace"
    )
    made.add_argument("--input-tokens", metavar="N,N", help="lengths that are equally frequent")
    made.add_argument("--output-tokens", metavar="N,N")
    made.add_argument(
        "--routing",
        choices=("round-robin", "least-requests", "prefix-affinity"),
        default="round-robin",
    )
    made.add_argument("--prefix-cache", type=int, metavar="TOKENS", help="of each replica")
    made.add_argument("--diurnal", type=float, default=1.0, metavar="PEAK", help="over the mean")
    made.add_argument("--burst", metavar="FACTOR,S", help="so many times the rate for S seconds")
    made.add_argument("--lose", metavar="N,S", help="so many replicas are lost for S seconds")
    made.add_argument("--price", metavar="USD|MACHINE", help="of a replica, for each hour")
    made.add_argument("--against", metavar="API", help="whose price is set against it")


def plan(args: argparse.Namespace) -> int:
    """How many replicas of a twin serve traffic within an SLO, and what they cost."""
    from llmbench import twin

    question = _question(args)
    usd_per_hour, api = _price(args.price), _api(args.against)
    if api is not None and usd_per_hour is None:
        raise ConfigError("plan: --against needs --price, which it is set against")
    loaded = twin.load_twin(args.twin)
    planned = twin.plan(loaded, question)
    print("\n".join(twin.plan_lines(loaded, planned, usd_per_hour)))
    if usd_per_hour is not None:
        points = twin.cost_curve(loaded, planned, usd_per_hour)
        print("\n".join(twin.curve_lines(planned, points)))
        if api is not None:
            even = twin.break_even(planned, usd_per_hour, api)
            print(twin.break_even_line(args.against, api.date, even))
    return 0


def _question(args: argparse.Namespace) -> "Question":
    from llmbench import twin

    if not 0 < args.rate < inf:
        raise ConfigError("plan: --rate is a number above 0")
    if not 1 <= args.diurnal <= 2:
        raise ConfigError("plan: --diurnal is the busiest hour over the mean one, from 1 to 2")
    if args.burst and args.lose:
        raise ConfigError("plan: give --burst or --lose: a plan is for one of them")
    event, lost = None, 0
    if args.burst:
        factor, seconds = _pair("--burst", args.burst, "3,60 for three times as many for a minute")
        event = twin.PassingEvent(seconds, factor)
    elif args.lose:
        replicas, seconds = _pair("--lose", args.lose, "1,60 for one replica for a minute")
        if replicas != int(replicas):
            raise ConfigError(f"--lose: {args.lose!r}: {replicas:g} is not a number of replicas")
        event, lost = twin.PassingEvent(seconds), int(replicas)
    kind, cache = _kind(args), _cache(args.prefix_cache)
    if not isinstance(kind, tuple) and kind.cache == "off":
        cache = None
    return twin.Question(
        twin.Workload(kind, args.rate, event),
        parse_slo(args.slo),
        args.routing,
        cache,
        args.diurnal,
        lost,
    )


def _pair(flag: str, text: str, example: str) -> tuple[float, float]:
    """Two numbers above 0."""
    try:
        first, second = map(float, text.split(","))
    except ValueError as error:
        raise ConfigError(f"{flag}: {text!r} is not two numbers; as in {example}") from error
    if not (0 < first < inf and 0 < second < inf):
        raise ConfigError(f"{flag}: {text!r}: both are numbers above 0; as in {example}")
    return first, second


def _cache(tokens: int | None) -> PrefixCacheSize | None:
    if tokens is None:
        return None
    try:
        return msgspec.convert({"tokens": tokens}, PrefixCacheSize)
    except msgspec.ValidationError as error:
        raise ConfigError("plan: --prefix-cache is a number of tokens above 0") from error


def _price(text: str | None) -> float | None:
    """US dollars an hour: a number, or the price of a machine."""
    if text is None:
        return None
    try:
        usd = float(text)
    except ValueError:
        try:
            machine = machine_named(text)
        except UnknownPrice as error:
            raise ConfigError(f"--price: {error}") from error
        if machine.usd_per_hour is None:
            raise ConfigError(f"--price: {text} is sold by cores and GiB: give a number") from None
        return machine.usd_per_hour
    if not 0 < usd < inf:
        raise ConfigError("--price: US dollars an hour above 0, or a machine of prices.toml")
    return usd


def _api(name: str | None) -> TokenPrice | None:
    try:
        return None if name is None else api_named(name)
    except UnknownPrice as error:
        raise ConfigError(f"--against: {error}") from error


def _kind(
    args: argparse.Namespace,
) -> tuple[tuple[int, int], ...] | Conversations | SharedPrefix:
    """What requests are: of a trace's lengths, of a traffic file, or all pairs of the options'."""
    if args.traffic is None:
        inputs = settings("input_tokens", args.input_tokens, "--input-tokens")
        outputs = settings("output_tokens", args.output_tokens, "--output-tokens")
        if not inputs or not outputs:
            raise ConfigError("plan: give --traffic, or --input-tokens and --output-tokens")
        return tuple(product(inputs, outputs))
    if Path(args.traffic).suffix in _TRACES:
        from llmbench.load import read_trace

        return tuple((row.input_tokens, row.output_tokens) for row in read_trace(args.traffic))
    from llmbench.prompts import traffic_named

    (traffic,) = traffic_named([args.traffic], _TRAFFIC)
    match traffic:
        case Lengths():
            return ((traffic.input_tokens, traffic.output_tokens),)
        case Replayed():
            raise ConfigError(
                f"--traffic: {args.traffic} replays texts, whose lengths only a server's tokenizer "
                "knows; give a trace of their lengths (docs/load.md)"
            )
        case Mix():
            raise ConfigError(
                f"--traffic: {args.traffic} is a mix, of which a plan knows only one class at a "
                "time; give its classes' files one by one, each with its own --rate"
            )
    return traffic


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
