"""``llmbench judge``: how far a client of any tool can be believed."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from llmbench.bench import parse_setting
from llmbench.config import ConfigError

AddCommand = Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_judge_command(add: AddCommand) -> None:
    """Let `add` make the parser, and give it its arguments."""
    made = add("judge", judge)
    made.add_argument(
        "--client",
        action="append",
        default=[],
        metavar="NAME[=PROGRAM]",
        help="a recipe, or a TOML file with one, and where its program is; repeatable",
    )
    made.add_argument("--users", default="16,64,256", metavar="N,N")
    made.add_argument("--requests-per-user", type=int, default=6, metavar="N")
    made.add_argument("--ttft-ms", type=float, default=50.0, help="of the truth server")
    made.add_argument("--ms-per-token", type=float, default=20.0, help="of the truth server")
    made.add_argument("--input-tokens", type=int, default=128, metavar="N")
    made.add_argument("--output-tokens", type=int, default=64, metavar="N")
    made.add_argument(
        "--faults", action="store_true", help="also with the fewest users, and trouble"
    )
    made.add_argument(
        "--overhead-page", action="store_true", help="also 1,000 streams of 10 ms a token"
    )
    made.add_argument("--client-cores", type=int, metavar="N", help="default: all but the server's")
    made.add_argument(
        "--tokenizer", default="hf-internal-testing/llama-tokenizer", metavar="ID|DIR"
    )
    made.add_argument("--written", default="", metavar="GLOB", help="where {result} is a folder")
    made.add_argument("--out", type=Path, metavar="DIR", help="default: reports/judge/<utc>")
    made.add_argument(
        "words", nargs="*", metavar="COMMAND", help="after --: a client's, with {url}, {result} …"
    )


def judge(args: argparse.Namespace) -> int:
    """Hold what a client reports against a server whose true figures are known."""
    from llmbench import judge as room

    if bool(args.words) == bool(args.client):
        raise ConfigError("judge: name a --client, or give a command after --, and not both")
    recipes = [room.recipe_called(name) for name in args.client]
    if args.words:
        recipes.append(room.own_recipe(args.words, args.written))
    users = parse_setting("users", args.users, "--users")
    assert isinstance(users, tuple)
    terms = room.Terms(
        loads=room.planned_loads(
            room.PlannedLoad(
                users=0,
                requests_per_user=args.requests_per_user,
                ttft_ms=args.ttft_ms,
                ms_per_token=args.ms_per_token,
                input_tokens=args.input_tokens,
                output_tokens=args.output_tokens,
            ),
            users,
            faults=args.faults,
            overhead_page=args.overhead_page,
        ),
        tokenizer=args.tokenizer,
        client_cores=args.client_cores,
    )
    folder = args.out or Path("reports/judge") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    judgement = room.judge(recipes, terms, folder, say=lambda line: print(line, flush=True))
    print(room.terminal_text(judgement))
    for file in room.write_judgement(judgement, folder):
        print(f"written: {file}")
    return 0
