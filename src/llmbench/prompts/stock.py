"""The stock of prompt files: built once for a tokenizer, then reused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from msgspec.structs import replace

from llmbench.config import ConfigError
from llmbench.prompts import prompt_files as files
from llmbench.prompts.building import Built, build_buckets
from llmbench.prompts.corpus.sources import SYNTHETIC, Source, at_hand, for_building, hub_revision
from llmbench.prompts.library import Library
from llmbench.prompts.prompt_files import Manifest, PromptFile, Say
from llmbench.prompts.reuse import usable
from llmbench.prompts.sorting import Wanted
from llmbench.prompts.tokens.counted_elsewhere import CountedElsewhere
from llmbench.prompts.tokens.tokenizer import find, fingerprint, load
from llmbench.store import alone_in, replace_file

DECK_LENGTHS = (32, 64, 128, 256, 512, 1024, 2048)
"""The input lengths of the seven prompt files of the EchoSwift deck, in tokens."""


def ensure(
    folder: Path,
    tokenizer: str | CountedElsewhere,
    lengths: Sequence[int],
    *,
    source: Source | None,
    per_length: int = 1000,
    seed: int,
    say: Say,
    trim: bool = True,
    tolerance: int = 10,
) -> Library:
    """The prompts of `lengths` under `folder`; missing files are built first, others are reused.

    Each tokenizer has a folder of its own; one that is elsewhere gets synthetic prompts
    (`ConfigError` where another `source` is named). A file is built again when it was built for
    fewer prompts, for another seed or from another source; one that was changed by hand raises
    `ConfigError`. Without a `source` a file from any source will do. So that a run starts soon,
    only a sample of the source is read where that is enough, and buckets that lack prompts are
    filled with the starts of longer ones unless `trim` is off.
    """
    wanted = _wanted(lengths, per_length, tolerance, seed, trim)
    if isinstance(tokenizer, CountedElsewhere):
        source = _only_synthetic(source)
    place = folder / folder_name(tokenizer)
    with _alone_in(place, say):
        manifest = files.read_manifest(place)
        missing = tuple(
            n for n in wanted.lengths if not usable(place, manifest, n, wanted, source, say)
        )
        if missing or manifest is None:
            chosen = source or _same_source(manifest) or at_hand()
            manifest = _make(
                place, tokenizer, wanted, missing, chosen, hurry=True, limit=None, say=say
            )
    chosen_files = {str(length): manifest.files[str(length)] for length in wanted.lengths}
    library = Library(place, replace(manifest, files=chosen_files))
    _tell_short(library, say)
    return library


def build(
    folder: Path,
    tokenizer: str,
    *,
    source: Source | None = None,
    lengths: Sequence[int] = DECK_LENGTHS,
    per_length: int = 1000,
    tolerance: int = 10,
    seed: int = 1,
    trim: bool = False,
    limit: int | None = None,
    say: Say,
) -> Library:
    """Build the files of `lengths` anew, from the whole of `source` (or its first `limit` records).

    Without a `source`, `llmbench.prompts.corpus.sources.for_building` chooses one. `say` gets a
    line for each file.
    """
    wanted = _wanted(lengths, per_length, tolerance, seed, trim)
    if limit is not None and limit < 1:
        raise ConfigError(f"a limit of {limit} records leaves nothing to read; the least is 1")
    place = folder / folder_name(tokenizer)
    chosen = source or for_building()
    with _alone_in(place, say):
        manifest = _make(
            place, tokenizer, wanted, wanted.lengths, chosen, hurry=False, limit=limit, say=say
        )
    return Library(place, manifest)


def _only_synthetic(source: Source | None) -> Source:
    """The source of prompts for a tokenizer that is elsewhere, whatever was named."""
    if source is not None and source.kind != "synthetic":
        raise ConfigError(
            f"prompt source {source}: its texts need a tokenizer on this host; name one with "
            "--llm-tokenizer, or leave --llm-prompts out"
        )
    return Source("synthetic", SYNTHETIC)


def folder_name(tokenizer: str | CountedElsewhere) -> str:
    """The folder of a tokenizer's prompts: its name and a part of its fingerprint."""
    if isinstance(tokenizer, CountedElsewhere):
        return f"{re.sub(r'[^a-z]+', '-', tokenizer.name)}-{tokenizer.sha256[:8]}"
    path = find(tokenizer)
    name = tokenizer.replace("/", "--") if path is None else path.resolve().name
    if path is not None and name == "tokenizer.json":
        name = path.resolve().parent.name
    safe = re.sub(r"[^\w.-]", "-", name.removesuffix(".gguf"))
    return f"{safe}-{fingerprint(tokenizer)[:8]}"


def _alone_in(place: Path, say: Say) -> AbstractContextManager[None]:
    """Nobody else builds in `place` meanwhile."""
    return alone_in(place, lambda: say(f"{place}: another session builds prompts there; waiting"))


def _wanted(
    lengths: Sequence[int], per_length: int, tolerance: int, seed: int, trim: bool
) -> Wanted:
    """What is wanted, checked; `ConfigError` names what can't be built."""
    for length in lengths:
        if length < 1:
            raise ConfigError(f"prompts of {length} tokens can't be made; the least is 1")
    if per_length < 1 or tolerance < 0 or not lengths:
        raise ConfigError(
            f"can't make {per_length} prompts within ±{tolerance} tokens of {len(lengths)} lengths:"
            " at least 1 prompt, 0 tokens and 1 length"
        )
    return Wanted(tuple(sorted(set(lengths))), per_length, tolerance, seed, trim)


def _same_source(manifest: Manifest | None) -> Source | None:
    """The real source of the existing files, so that new lengths come from it too."""
    for entry in manifest.files.values() if manifest else ():
        if entry.source.kind == "hub" or (entry.source.kind == "file" and _exists(entry.source)):
            return entry.source
    return None


def _exists(source: Source) -> bool:
    try:
        return source.path.is_file()
    except ConfigError:  # its package is no longer installed
        return False


def _make(
    place: Path,
    tokenizer: str | CountedElsewhere,
    wanted: Wanted,
    lengths: tuple[int, ...],
    source: Source,
    *,
    hurry: bool,
    limit: int | None,
    say: Say,
) -> Manifest:
    """Build the files of `lengths` in `place` and enter them in its manifest."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{place}: prompts can't be written there: {error.strerror}") from error
    counter = load(tokenizer, place) if isinstance(tokenizer, str) else tokenizer
    commit = _commit(source)
    old = files.read_manifest(place)
    kept = old.files if old and old.tokenizer_sha256 == counter.sha256 else {}
    lengths = lengths if kept else wanted.lengths
    built = build_buckets(
        replace(source, revision=commit or source.revision),
        counter,
        replace(wanted, lengths=lengths),
        hurry=hurry,
        limit=limit,
        say=say,
    )
    manifest = Manifest(counter.name, counter.sha256, _without(kept, lengths))
    files.write_manifest(place, manifest)  # from here on a build that is cut off starts anew
    for length, made in built.items():
        entry = _write(place, length, made, wanted, source, commit)
        manifest.files[str(length)] = entry
        say(_line(place, entry))
    files.write_manifest(place, manifest)
    return manifest


def _without(entries: dict[str, PromptFile], lengths: tuple[int, ...]) -> dict[str, PromptFile]:
    return {key: entry for key, entry in entries.items() if int(key) not in lengths}


def _commit(source: Source) -> str | None:
    """The newest commit of a hub data set's revision; None where unknown, or not from the hub."""
    hub = source.kind == "hub" and not Path(source.name).is_dir()
    return hub_revision(source) if hub else None


def _write(
    place: Path, length: int, made: Built, wanted: Wanted, source: Source, commit: str | None
) -> PromptFile:
    """Write the file of a length and return its entry for the manifest."""
    content = files.encode(made.prompts)
    name = files.file_name(length)
    replace_file(place / name, content)
    counts = [prompt.tokens for prompt in made.prompts]
    return PromptFile(
        file=name,
        tokens=length,
        tolerance=wanted.tolerance,
        prompts=len(counts),
        trimmed=made.trimmed,
        wanted=wanted.per_length,
        tokens_min=min(counts, default=None),
        tokens_max=max(counts, default=None),
        sha256=hashlib.sha256(content).hexdigest(),
        source=source,
        commit=commit,
        source_stamp=source.stamp(),
        seed=wanted.seed,
        trim=wanted.trim,
        complete=made.complete,
        dropped=made.dropped,
    )


def _line(place: Path, entry: PromptFile) -> str:
    """The line about a file that was built, for the user."""
    trimmed = f", {entry.trimmed:,} of them trimmed to length" if entry.trimmed else ""
    short = ""
    if entry.prompts < entry.wanted:
        short = f"; only {entry.prompts:,} of the {entry.wanted:,} asked for"
        short += "" if entry.trim else " (trimming longer prompts would fill it)"
    return (
        f"{place / entry.file}: {entry.prompts:,} {entry.kind} prompts of {entry.tokens}"
        f"±{entry.tolerance} tokens{trimmed}{short}"
    )


def _tell_short(library: Library, say: Say) -> None:
    """Tell the user which lengths have too few prompts; a length without any is an error."""
    for length, entry in library.manifest.files.items():
        if entry.prompts == 0:
            raise ConfigError(
                f"{library.folder}: {entry.source} has no prompt of {length} tokens, and"
                " none long enough to be trimmed to it; name another prompt source"
            )
        if entry.prompts < entry.wanted:
            say(
                f"prompts of {length} tokens: {entry.prompts:,} of the {entry.wanted:,} wanted;"
                " when a cell needs more it uses them again"
            )
