"""Decides whether an existing prompt file is the one that is wanted."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from llmbench.config import ConfigError
from llmbench.prompts import prompt_files as files
from llmbench.prompts.corpus.sources import Source, packaged
from llmbench.prompts.prompt_files import Manifest, PromptFile, Say
from llmbench.prompts.sorting import Wanted


def usable(
    place: Path,
    manifest: Manifest | None,
    length: int,
    wanted: Wanted,
    source: Source | None,
    say: Say,
) -> bool:
    """Whether the file of a length exists and is what is wanted; `say` gets the reason if not."""
    entry = manifest.files.get(str(length)) if manifest else None
    if entry is None or not (place / entry.file).is_file():
        return False
    _check_hash(place / entry.file, entry)
    reason = _difference(entry, wanted, source)
    if reason:
        say(f"{place / entry.file}: built again: {reason}")
    return not reason


def _check_hash(path: Path, entry: PromptFile) -> None:
    sha256 = files.file_sha256(path)
    if sha256 != entry.sha256:
        raise ConfigError(
            f"{path}: changed since it was built (sha256 {sha256[:12]}…, in the manifest"
            f" {entry.sha256[:12]}…); delete it to have it built again"
        )


def _difference(entry: PromptFile, wanted: Wanted, source: Source | None) -> str:
    """The reason why a file is not what is wanted; empty when it is."""
    if entry.seed != wanted.seed:
        return f"its seed is {entry.seed}, {wanted.seed} is asked for"
    if entry.wanted < wanted.per_length:
        return f"it was built for {entry.wanted} prompts, {wanted.per_length} are asked for"
    if entry.tolerance > wanted.tolerance:
        return f"its prompts are within ±{entry.tolerance} tokens, not ±{wanted.tolerance}"
    if source is None:
        outdone = entry.kind == "synthetic" and packaged() is not None
        return "its prompts are synthetic, and real ones are installed now" if outdone else ""
    newest = replace(entry.source, revision=None)
    if source not in (entry.source, entry.pinned, newest):
        return f"it comes from {entry.pinned}, {source} is asked for"
    return "its source has changed" if source.stamp() != entry.source_stamp else ""
