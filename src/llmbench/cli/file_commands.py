"""The commands for files of results, ours and other tools': ``compare``, ``import``, ``export``."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from llmbench.config import ConfigError

AddCommand = Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_file_commands(add: AddCommand) -> None:
    """Let `add` make a parser for each of these commands, and give it its arguments."""
    _add_compare_arguments(add("compare", compare))
    made = add("import", import_files)
    made.add_argument("files", type=Path, nargs="+", metavar="FILE", help="each is a repeat")
    made.add_argument("--save-baseline", required=True, metavar="NAME")
    made.add_argument(
        "--baselines-dir", type=Path, default=Path("reports/baselines"), metavar="DIR"
    )
    _add_launch_per_file(made)
    made = add("export", export)
    made.add_argument("run", type=Path, metavar="RUN")
    made.add_argument("--format", choices=("vllm-bench",), required=True)
    made.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/vllm-bench")
    made = add("share", share)
    made.add_argument("run", type=Path, metavar="RUN")
    made.add_argument("--model", metavar="NAME", help="whose card to draw; default: the first")
    made.add_argument("--out", type=Path, metavar="DIR", help="default: RUN/share")


def _add_compare_arguments(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "sides",
        type=Path,
        nargs="+",
        metavar="OLD",
        help="a run, a baseline, or the files of another tool, each a repeat; without --against "
        "a second argument is NEW",
    )
    made.add_argument("--against", type=Path, nargs="+", metavar="NEW", help="what is judged")
    made.add_argument("--tolerance", metavar="METRIC=P%,…")
    made.add_argument(
        "--inconclusive",
        choices=("pass", "fail"),
        help="exit status 0 or 1 where it can't tell (default: 125)",
    )
    made.add_argument(
        "--host-allowance", metavar="P%", help="shift of all cells that is the host's"
    )
    made.add_argument(
        "--launch-allowance", metavar="P%", help="spread of launches where a side has one only"
    )
    _add_launch_per_file(made)
    made.add_argument("--format", choices=("text", "json", "md", "html"), default="text")
    made.add_argument("--out", type=Path, default=Path("comparison.html"), metavar="FILE")
    made.add_argument("--anyway", action="store_true", help="although the fingerprints differ")


def compare(args: argparse.Namespace) -> int:
    """Compare runs, baselines or other tools' files, OLD then NEW; exit 1: slower, 125: can't tell.

    The side that is named first is the old one, with ``--against`` too.
    """
    from llmbench import interchange, verdict

    try:
        old, new = _sides(args)
        outcome = interchange.compare_sides(
            old,
            new,
            tolerance=args.tolerance,
            anyway=args.anyway,
            inconclusive=args.inconclusive or "pass",
            host_allowance=args.host_allowance,
            launch_allowance=args.launch_allowance,
            launch_per_file=args.launch_per_file,
        )
    except ConfigError as error:
        print(f"llmbench: {error}", file=sys.stderr)
        return verdict.UNTOLD
    if args.format == "json":
        print(verdict.to_json(outcome).decode(), end="")
    elif args.format == "md":
        print(verdict.markdown(outcome))
    elif args.format == "html":
        from llmbench.report import comparison_page

        args.out.write_text(comparison_page(outcome), encoding="utf-8")
        print(args.out)
    else:
        from llmbench.report import annotations

        print("\n".join((*verdict.lines(outcome, all_rows=True), *annotations(outcome))))
    return verdict.exit_code(outcome, args.inconclusive)


def _sides(args: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """The files of each side, OLD first; ``compare OLD NEW`` needs no ``--against``."""
    if args.against:
        return args.sides, args.against
    if len(args.sides) != 2:
        raise ConfigError(
            f"compare: {len(args.sides)} files: give OLD and NEW, or OLD … --against NEW …"
        )
    return args.sides[:1], args.sides[1:]


def _add_launch_per_file(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--launch-per-file",
        action="store_true",
        help="the server was launched for each of the other tool's files",
    )


def import_files(args: argparse.Namespace) -> int:
    """Store files of another tool as a baseline, stamped with the tool and its version."""
    from llmbench import interchange

    path = interchange.import_files(
        args.files,
        args.baselines_dir,
        args.save_baseline,
        launch_per_file=args.launch_per_file,
    )
    print(path)
    return 0


def export(args: argparse.Namespace) -> int:
    """Write each valid repeat of a run as a file of another tool, for dashboards that read it."""
    from llmbench import interchange
    from llmbench.store import RunDir

    run = RunDir.open(args.run)
    print("\n".join(interchange.write_vllm_bench(run, args.out or run.path / "vllm-bench")))
    return 0


def share(args: argparse.Namespace) -> int:
    """Write what can be posted of a run: a Markdown summary, and a PNG card that stands alone."""
    from llmbench.report import share as shared
    from llmbench.store import RunDir

    summary = shared(RunDir.open(args.run), args.model, args.out)
    print(summary.read_text(encoding="utf-8"))
    print(f"{summary}\n{summary.with_name('card.png')}", file=sys.stderr)
    return 0
