"""How the clients of known tools are run: a TOML file each under ``recipes/``, or one of yours."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from llmbench.config import ConfigError
from llmbench.judge.served_load import RateWindow
from llmbench.servers import fill
from llmbench.value_types import nearest

FOLDER = Path(__file__).parent / "recipes"

PLACEHOLDERS = {
    "program": "the executable of the client",
    "url": "the server, http://HOST:PORT",
    "model": "the model's name",
    "tokenizer": "folder or id of a tokenizer",
    "users": "requests at a time",
    "requests": "requests in all",
    "requests_per_user": "requests of each user",
    "seconds": "how long that should take",
    "input_tokens": "length of each prompt",
    "output_tokens": "length of each answer",
    "cores": "cores that the client may use",
    "folder": "a folder of this load's own",
    "result": "the file or folder for the client to write",
}
"""What may stand in braces in a recipe's words, and what it is filled with."""

NEEDED = ("url", "result")


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """How to run one client. Words, files and variables may have `PLACEHOLDERS`.

    `files` are written into the load's folder first, in which the command runs, unless it runs
    `where_called`. `written` names the file to read where ``{result}`` is a folder. `rates` says
    over which time the tool takes its rates: from the first request to the last answer, or while
    all users are active. `remark` says what has to be known to read its figures.
    """

    tool: str
    program: str
    command: tuple[str, ...]
    name: str = ""
    version: tuple[str, ...] = ()
    install: str = ""
    docs: str = ""
    written: str = ""
    rates: RateWindow = "whole"
    remark: str = ""
    where_called: bool = False
    environment: dict[str, str] = {}
    files: dict[str, str] = {}

    @property
    def texts(self) -> dict[str, str]:
        """Every text in which placeholders are filled, by where it stands."""
        words = {f"word {k}": word for k, word in enumerate(self.command, start=1)}
        files = {f"files.{name}": text for name, text in self.files.items()}
        return words | files | {f"environment.{k}": v for k, v in self.environment.items()}


def recipe_called(text: str) -> Recipe:
    """The recipe of ``NAME`` or ``FILE.toml``, with its program from ``NAME=PROGRAM``, checked.

    `ConfigError` for an unknown name or key, for placeholders, and for a program that isn't here.
    """
    name, _, program = text.partition("=")
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        known = sorted(file.stem for file in FOLDER.glob("*.toml"))
        raise ConfigError(
            f"--client: no recipe {name!r}{nearest(name, known)}; or give a TOML file with one"
        )
    try:
        recipe = msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: {error}") from error
    recipe = structs.replace(recipe, name=path.stem, program=program or recipe.program)
    return _checked(recipe, str(path) if path.parent != FOLDER else f"recipe {name}")


def own_recipe(words: Sequence[str], written: str = "") -> Recipe:
    """The recipe of a command line that somebody typed."""
    name = Path(words[0]).name
    recipe = Recipe(
        tool=name,
        program=words[0],
        command=tuple(words),
        name=name,
        written=written,
        where_called=True,
    )
    return _checked(recipe, "the command")


def _checked(recipe: Recipe, where: str) -> Recipe:
    """The recipe with its program's path, once nothing in it is missing or unknown."""
    for place, text in recipe.texts.items():
        fill(text, dict.fromkeys(PLACEHOLDERS, ""), f"{where}: {place}")
    everything = "\n".join(recipe.texts.values())
    for name in NEEDED:
        if f"{{{name}}}" not in everything:
            raise ConfigError(
                f"{where} has no {{{name}}}: put it where the client takes {PLACEHOLDERS[name]}"
            )
    program = recipe.program or sys.executable
    found = shutil.which(str(Path(program).expanduser()))
    if found is None:
        how = f": {recipe.install}" if recipe.install else ""
        named = f"; or name it: --client {recipe.name}=PATH" if recipe.install else ""
        raise ConfigError(f"{where} needs {program}, which is not on the PATH{how}{named}")
    return structs.replace(recipe, program=str(Path(found).absolute()))


def filled(recipe: Recipe, values: Mapping[str, str]) -> Recipe:
    """The recipe with its placeholders filled."""
    known = {**values, "program": recipe.program}

    def each(texts: Mapping[str, str]) -> dict[str, str]:
        return {name: fill(text, known, name) for name, text in texts.items()}

    return structs.replace(
        recipe,
        command=tuple(fill(word, known, "command") for word in recipe.command),
        files=each(recipe.files),
        environment=each(recipe.environment),
    )


def shown_command(recipe: Recipe) -> str:
    """The command as a recipe has it, its program by its name alone."""
    words = [re.sub(r"^\{program\}$", Path(recipe.program).name, word) for word in recipe.command]
    variables = [f"{name}={value}" for name, value in recipe.environment.items()]
    return " ".join((*variables, *words))
