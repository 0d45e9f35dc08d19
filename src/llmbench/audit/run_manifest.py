"""The manifest of a run: a hash of each file, written when the session ends.

It shows what was changed since by mistake, or without changing the manifest too; whether the
figures follow from the journal is another check.
"""

import hashlib
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from llmbench.store import RunDir, replace_file

MANIFEST = "manifest.json"
SOURCES = ("run.json", "verdict.json", "journal", "logs")
"""The files and folders from which all others are made."""


class RunManifest(Struct, frozen=True):
    """SHA-256 of each file, by its path within the run."""

    files: dict[str, str]
    format: str = "llmbench manifest"
    version: int = 1


def seal(run: RunDir) -> None:
    """Write the manifest of a run that has ended."""
    _write(run, {name: _sha256(path) for name, path in files_of(run)})


def reseal(run: RunDir) -> None:
    """After a run was drawn again: renew the hashes of what is made from its journal, no others.

    A run without a manifest stays without.
    """
    old = read_manifest(run)
    if old is not None:
        drawn = {name: _sha256(path) for name, path in files_of(run) if not is_source(name)}
        _write(run, {name: h for name, h in old.files.items() if is_source(name)} | drawn)


def read_manifest(run: RunDir) -> RunManifest | None:
    """The manifest; None where there is none, or it can't be read."""
    try:
        return msgspec.json.decode((run.path / MANIFEST).read_bytes(), type=RunManifest)
    except (OSError, msgspec.MsgspecError):
        return None


def changes(run: RunDir) -> Iterator[str]:
    """What was changed, removed or added since the manifest was written."""
    manifest = read_manifest(run)
    if manifest is None:
        there = (run.path / MANIFEST).exists()
        yield f"{MANIFEST}: damaged" if there else f"{MANIFEST}: missing: nothing shows changes"
        return
    there_now = dict(files_of(run))
    for name, digest in sorted(manifest.files.items()):
        if name not in there_now:
            yield f"{name}: removed since the run ended"
        elif _sha256(there_now[name]) != digest:
            yield f"{name}: changed since the run ended"
    for name in sorted({*there_now} - {*manifest.files}):
        if is_source(name):
            yield f"{name}: added since the run ended"


def files_of(run: RunDir) -> Iterator[tuple[str, Path]]:
    """All files of a run but its manifest, with their paths within it."""
    for path in sorted(run.path.rglob("*")):
        name = path.relative_to(run.path).as_posix()
        if path.is_file() and name != MANIFEST:
            yield name, path


def is_source(name: str) -> bool:
    """Whether a file is not made from others."""
    return name.split("/", maxsplit=1)[0] in SOURCES


def copy_sources(run: RunDir, place: Path, left_out: Collection[str] = ()) -> RunDir:
    """A run at `place` that has the sources only, without those that are left out."""
    place.mkdir()
    for name in SOURCES:
        source = run.path / name
        if name in left_out:
            continue
        if source.is_dir():
            shutil.copytree(source, place / name)
        elif source.is_file():
            shutil.copy(source, place / name)
    return RunDir(place)


def _write(run: RunDir, hashes: dict[str, str]) -> None:
    content = msgspec.json.encode(RunManifest(dict(sorted(hashes.items()))))
    replace_file(run.path / MANIFEST, msgspec.json.format(content, indent=1) + b"\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
