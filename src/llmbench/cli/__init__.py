"""``llmbench prompts | report | compare | import | export | share | fit | predict | simulate | …``.

Each command parses its arguments here and calls one function of a room. Exit status 2 means a
mistake in the arguments or the files, 1 a regression, 125 that a comparison can't tell.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from llmbench.bench import parse_setting
from llmbench.cli.audit_commands import add_audit_commands
from llmbench.cli.file_commands import add_file_commands
from llmbench.cli.judge_command import add_judge_command
from llmbench.cli.plan_command import add_plan_command
from llmbench.cli.twin_commands import add_twin_commands
from llmbench.config import ConfigError, SimulatedServer, load_model
from llmbench.value_types import PrefixCacheSize, nearest

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = parser().parse_args(argv)
    command: Command = args.command
    try:
        return command(args)
    except ConfigError as error:
        print(f"llmbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of all commands with their arguments."""
    top = argparse.ArgumentParser(prog="llmbench", description=__doc__.partition("\n")[0])
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for add in (_prompts, _report):
        add(commands)
    add_file_commands(partial(_command, commands))
    add_audit_commands(partial(_command, commands))
    _history(commands)
    add_twin_commands(partial(_command, commands))
    add_plan_command(partial(_command, commands))
    for add in (_schema, _docker_run, _simulate, _calibrate):
        add(commands)
    add_judge_command(partial(_command, commands))
    return top


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Command
) -> argparse.ArgumentParser:
    text = (run.__doc__ or "").strip().partition("\n")[0]
    made = commands.add_parser(name, help=text, description=text)
    made.set_defaults(command=run)
    return made


def say(line: str) -> None:
    """Print a line without delay, even into a pipe."""
    print(line, flush=True)


def _prompts(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = _command(commands, "prompts", prompts)
    made.add_argument("--source", help="hub dataset id, parquet/JSON/JSONL/CSV file, package:NAME")
    made.add_argument("--tokenizer", default="hf-internal-testing/llama-tokenizer")
    made.add_argument("--out", type=Path, default=Path("fixtures/prompts"), metavar="DIR")
    made.add_argument("--lengths", default="32,64,128,256,512,1024,2048", metavar="N,N")
    made.add_argument("--per-length", type=int, default=1000, metavar="N")
    made.add_argument("--tolerance", type=int, default=10, metavar="TOKENS")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--limit", type=int, metavar="N", help="read only the first N records")
    made.add_argument("--trim", action="store_true", help="fill short buckets with longer prompts")


def prompts(args: argparse.Namespace) -> int:
    """Build the EchoSwift deck's prompt files, by length in tokens (generate_query_db)."""
    from llmbench.prompts import build, parse_source

    lengths = parse_setting("input_tokens", args.lengths, "--lengths")
    assert isinstance(lengths, tuple)
    build(
        args.out,
        args.tokenizer,
        source=None if args.source is None else parse_source(args.source),
        lengths=lengths,
        per_length=args.per_length,
        tolerance=args.tolerance,
        seed=args.seed,
        trim=args.trim,
        limit=args.limit,
        say=say,
    )
    return 0


def _report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = _command(commands, "report", report)
    made.add_argument("runs", type=Path, nargs="+", metavar="DIR")
    made.add_argument("--format", choices=("html", "md"), default="html")
    made.add_argument("--out", type=Path, metavar="FILE", help="page of several runs")


def report(args: argparse.Namespace) -> int:
    """Redraw a run from its files, or lay several over each other."""
    from llmbench import report as room
    from llmbench.store import RunDir

    runs = [RunDir.open(path) for path in args.runs]
    if args.format == "md":
        print("\n\n".join(room.markdown(run) for run in runs))
    elif len(runs) > 1:
        print(room.overlay(runs, args.out or Path("overlay.html")))
    else:
        from llmbench.audit import reseal

        print(room.write_report(runs[0], anew=True))
        reseal(runs[0])
    return 0


def _history(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = _command(commands, "history", history)
    made.add_argument(
        "run", type=Path, metavar="RUN|DIR", help="a run, or a folder of runs to draw"
    )
    made.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help="to append the run to")
    made.add_argument("--out", type=Path, default=Path("history.html"), metavar="FILE")


def history(args: argparse.Namespace) -> int:
    """Draw a folder of runs and baselines over time, or append a run to a FOLDER of CSV files."""
    from llmbench import verdict
    from llmbench.report import history_page
    from llmbench.store import RunDir

    if args.folder is None:
        print(history_page(args.run, args.out))
        return 0
    verdict.keep_history(args.folder, RunDir.open(args.run))
    return 0


def _schema(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = _command(commands, "schema", schema)
    made.add_argument("name", choices=("run", "baseline", "comparison"))


def schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema of run.json, of a baseline, or of a comparison."""
    from llmbench import verdict

    print(verdict.schema(args.name).decode(), end="")
    return 0


def _docker_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = _command(commands, "docker-run", docker_run)
    made.add_argument("model", type=Path, nargs="+", metavar="MODEL.toml")


def docker_run(args: argparse.Namespace) -> int:
    """Print the ``docker run`` line that each model configuration amounts to."""
    from llmbench.config import limits_of
    from llmbench.servers import docker_run_line

    for path in args.model:
        model = load_model(path)
        print(docker_run_line(model, limits_of(model.server)))
    return 0


def _simulate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = _command(commands, "simulate", simulate)
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=0, help="0: any free one")
    made.add_argument("--ttft-ms", type=float, default=50.0)
    made.add_argument("--ms-per-token", type=float, default=20.0)
    made.add_argument("--prefill-tokens-per-s", type=float)
    made.add_argument("--slots", type=int, default=1024)
    made.add_argument("--jitter", type=float, default=0.0)
    made.add_argument("--batching", choices=("spread", "beat"), default="spread")
    made.add_argument("--max-batch-slowdown", type=float, default=0.0, metavar="SHARE")
    made.add_argument(
        "--image-tokens", type=int, metavar="N", help="of each image (default: by its size)"
    )
    made.add_argument(
        "--draft-tokens", type=int, default=0, metavar="K", help="speculative decoding"
    )
    made.add_argument("--draft-acceptance", type=float, default=0.7, metavar="P")
    made.add_argument("--tells-times", action="store_true", help="in each answer, as engines can")
    made.add_argument("--prefix-cache", type=int, metavar="TOKENS", help="its size; none without")
    made.add_argument("--checks-history", action="store_true", help="answers must be its own")
    made.add_argument("--fault", metavar="NAME", help="docs/simulator.md names them")
    made.add_argument("--twin", type=Path, metavar="FILE", help="as llmbench fit wrote it")
    made.add_argument("--engine", metavar="NAME", help="pass for this engine: vllm, tgi, …")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--core", type=int, action="append", help="pin to this core; repeatable")


def simulate(args: argparse.Namespace) -> int:
    """Serve a deterministic model with a known truth (at /stats)."""
    from llmbench.simulator import LIKENESSES, serve
    from llmbench.twin import load_twin

    if args.engine is not None and args.engine not in LIKENESSES:
        valid = nearest(args.engine, list(LIKENESSES))
        raise ConfigError(f"--engine: unknown engine {args.engine!r}{valid}")
    config = SimulatedServer(
        ttft_ms=args.ttft_ms,
        ms_per_token=args.ms_per_token,
        prefill_tokens_per_s=args.prefill_tokens_per_s,
        slots=args.slots,
        jitter=args.jitter,
        batching=args.batching,
        fault=args.fault,
        max_batch_slowdown=args.max_batch_slowdown,
        draft_tokens=args.draft_tokens,
        draft_acceptance=args.draft_acceptance,
        tells_times=args.tells_times,
        prefix_cache=PrefixCacheSize(args.prefix_cache) if args.prefix_cache else None,
        checks_history=args.checks_history,
        image_tokens=args.image_tokens,
        steps=None if args.twin is None else load_twin(args.twin).steps,
    )
    serve(
        config,
        args.host,
        args.port,
        seed=args.seed,
        pin=tuple(args.core or ()),
        engine=args.engine,
        say=say,
    )
    return 0


def _calibrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = _command(commands, "calibrate", calibrate)
    made.add_argument("--users", default="1,16,64,256,1024", metavar="N,N")
    made.add_argument("--batching", choices=("spread", "beat"), default="spread")
    made.add_argument("--json", type=Path, metavar="FILE")


def calibrate(args: argparse.Namespace) -> int:
    """Measure this host's client against a server of known truth."""
    from llmbench.calibrate import calibrate as run

    users = parse_setting("users", args.users, "--users")
    assert isinstance(users, tuple)
    run(users, batching=args.batching, json_file=args.json, say=say)
    return 0
