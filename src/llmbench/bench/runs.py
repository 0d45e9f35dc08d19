"""Begins and ends a run's directory and its cells, and writes what ``run.json`` says of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from llmbench.access import unverified
from llmbench.bench.host import describe_host, package_versions
from llmbench.bench.settings import Settings
from llmbench.cells import Cell
from llmbench.clock import Clock
from llmbench.config import ConfigError, ModelConfig
from llmbench.load import api_for, kept_apart
from llmbench.prompts import Library
from llmbench.records import MEASURING_VERSION, CellRun, Endpoint, Launch
from llmbench.servers import turns_cache_off
from llmbench.store import LATEST, RunDir, RunInfo, git_commit
from llmbench.traffic import Material, hang_ups_of


def new_run(
    settings: Settings, models: Sequence[ModelConfig], detected: Mapping[str, Any] | None = None
) -> RunDir:
    """A fresh run directory whose ``run.json`` says how the run can be repeated.

    `detected` is what a server said about itself that nobody had told.
    """
    commit, dirty = git_commit(Path.cwd())
    run_dir = (
        RunDir.create(settings.runs_dir, commit)
        if settings.run_dir is None
        else (RunDir.create_at(settings.run_dir))
    )
    packages = package_versions()
    run_dir.write_info(
        RunInfo(
            started_ns=Clock().unix_ns(),
            command=settings.command,
            seed=settings.seed,
            harness=packages.get("pytest-llmbench", "unknown"),
            measuring_version=MEASURING_VERSION,
            git_commit=commit,
            git_dirty=dirty,
            host=describe_host(),
            packages=packages,
            models=tuple(models),
            options=dict(settings.options),
            detected=dict(detected or {}),
            notes=tuple(note for model in models if (note := unverified(model))),
        )
    )
    return run_dir


def begun(cell: Cell, repeat: int, endpoint: Endpoint, seed: int) -> CellRun:
    """What is known of a repeat before its load: it stays the record of one that is killed."""
    now_ns = Clock().unix_ns()
    return CellRun(
        cell=cell,
        cell_id=cell.id,
        repeat=repeat,
        started_ns=now_ns,
        ended_ns=now_ns,
        endpoint=endpoint,
        seed=seed,
        prompts_sha256="",
    )


def note_prompts(run_dir: RunDir, tokenizer: str, library: Library) -> None:
    """Write into ``run.json`` what the prompts of `tokenizer` are, unless that is there already."""
    info = run_dir.info()
    described = library.describe()
    if info.prompts.get(tokenizer) != described:
        prompts = info.prompts | {tokenizer: described}
        run_dir.write_info(structs.replace(info, prompts=prompts))


def discard_if_empty(run_dir: RunDir) -> bool:
    """Remove the run if nothing began in it, so that it hides no other; return whether it did."""
    if any(path != run_dir.info_file for path in run_dir.path.iterdir()):
        return False
    run_dir.info_file.unlink()
    run_dir.path.rmdir()
    return True


def point_latest(run: Path) -> None:
    """Let ``latest`` beside `run` lead to it: a link, or a file with its name where none can be.

    There is no moment in which it is missing.
    """
    fresh = run.with_name(f".{LATEST}")
    fresh.unlink(missing_ok=True)
    try:
        fresh.symlink_to(run.name)
    except (OSError, NotImplementedError):  # a file system without links, as many shared ones are
        fresh.write_text(f"{run.name}\n", encoding="utf-8")
    fresh.replace(run.with_name(LATEST))


def end_run(run_dir: RunDir) -> None:
    """Write into ``run.json`` that the run ended by itself."""
    ended = structs.replace(run_dir.info(), ended_ns=Clock().unix_ns())
    run_dir.write_info(ended)


def nowhere(model: ModelConfig) -> Endpoint:
    """The endpoint of a server that does not run."""
    launch = Launch(kind=str(model.server.__struct_config__.tag), started_ns=Clock().unix_ns())
    return Endpoint(
        "", model.api, model.model, model.simulated, launch, model.client, model.request
    )


def check_sendable(cell: Cell, model: ModelConfig, material: Material | None) -> None:
    """Raise `ConfigError` where the server's dialect can't carry what `cell` is to send."""
    if not model.client.stream and any(one.after_tokens for one in hang_ups_of(cell.traffic)):
        raise ConfigError(
            f"{cell.id}: without a stream nobody knows when a token has come; hang up with"
            " after_ms, or leave client.stream on"
        )
    spoken = structs.replace(nowhere(model), api=api_for(model.api, material))
    if cell.prefix_cache == "off" and not (kept_apart(spoken) or turns_cache_off(model.server)):
        raise ConfigError(
            f"{cell.id}: nothing in a request of api {spoken.api!r} keeps it out of the server's"
            " prefix cache, and its command doesn't turn it off; add the engine's switch to"
            " server.command (--no-enable-prefix-caching, --disable-radix-cache), or leave"
            " --llm-prefix-cache off out"
        )
