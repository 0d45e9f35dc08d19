"""Runs a client against a server: its files, its process, and what it left."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from llmbench.config import ConfigError
from llmbench.interchange import ClientResult, read_result
from llmbench.judge.client_recipes import Recipe
from llmbench.judge.supervisor_main import ClientUse, SupervisedClient
from llmbench.servers import Placement


def run_client(recipe: Recipe, folder: Path, cores: Placement, timeout_s: float) -> ClientUse:
    """Run the filled `recipe` on the client's cores to its end; `folder` is for its files."""
    for name, text in recipe.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    settings = SupervisedClient(
        command=recipe.command,
        environment=recipe.environment,
        folder=str(Path.cwd() if recipe.where_called else folder.absolute()),
        log_file=str(log_of(folder).absolute()),
        cores=cores.client,
        own_cores=cores.server,
        timeout_s=timeout_s,
    )
    reader, writer = os.pipe()
    module = "llmbench.judge.supervisor_main"
    told = (msgspec.json.encode(settings).decode(), str(os.getpid()), str(writer))
    with os.fdopen(reader, "rb") as pipe:
        try:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", module, *told], pass_fds=(writer,), start_new_session=True
            )
        finally:
            os.close(writer)
        try:
            use = pipe.read()
        except BaseException:
            supervisor.terminate()  # it then ends the client
            raise
        finally:
            supervisor.wait()
    if not use:
        raise ConfigError(f"{recipe.name}: the process that watches it ended before it")
    return msgspec.json.decode(use, type=ClientUse)


def result_of(recipe: Recipe, use: ClientUse, folder: Path, timeout_s: float) -> ClientResult:
    """What the client wrote; `ConfigError` in one line where it failed or wrote nothing fit."""
    if use.exit_code is None:
        raise ConfigError(f"{recipe.name}: not done after {timeout_s:g} s, and ended")
    if use.exit_code:
        raise ConfigError(f"{recipe.name}: exit status {use.exit_code}{_last_words(folder)}")
    result = result_path(folder)
    if recipe.written and result.is_dir():
        fitting = sorted(result.rglob(recipe.written))
        if not fitting:
            raise ConfigError(f"{recipe.name}: wrote no {recipe.written}{_last_words(folder)}")
        result = fitting[0]
    if not result.exists():
        raise ConfigError(f"{recipe.name}: wrote nothing to {{result}}{_last_words(folder)}")
    try:
        return read_result(result)
    except ConfigError as error:
        raise ConfigError(f"{recipe.name}: its result can't be read: {error}") from error


def result_path(folder: Path) -> Path:
    """What ``{result}`` stands for."""
    return folder / "result.json"


def log_of(folder: Path) -> Path:
    """Where the client's output goes."""
    return folder / "client.log"


def _last_words(folder: Path) -> str:
    """The last line that the client said, to follow a message, and where the rest is."""
    log = log_of(folder)
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1][:200]} ({log})" if lines else f", and said nothing ({log})"
