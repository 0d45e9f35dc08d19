"""Reads a source, counts its prompts and sorts them, which gives the prompts of each length."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise

from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.prompts.build_progress import BuildProgress
from llmbench.prompts.corpus.clean import Clean, cleaner
from llmbench.prompts.corpus.passages import Passage, passage
from llmbench.prompts.corpus.source_records import Record, RecordReader
from llmbench.prompts.corpus.sources import Source
from llmbench.prompts.prompt_files import Say
from llmbench.prompts.sorting import Sorter, Wanted
from llmbench.prompts.synthesis import synthesise
from llmbench.prompts.tokens.counted_elsewhere import CountedElsewhere
from llmbench.prompts.tokens.tokenizer import Tokenizer
from llmbench.records import Prompt

_BATCH = 256  # passages for one call of the tokenizer, which spreads them over all cores
_BLOCK = 4096  # rows of a hub data set that are read before the buckets are looked at again
_ENOUGH = 1000  # records without a prompt at a source's start: then it is of another shape
_SHARES = (0.0, 1 / 16, 4 / 16, 1.0)  # bounds of the parts of a file that are read in turn


class Built(Struct, frozen=True):
    """The prompts of one length: `trimmed` of them (the last ones) were cut from longer texts.

    `complete` says whether the whole source was read, `dropped` which part of it could not be.
    """

    prompts: tuple[Prompt, ...]
    trimmed: int
    complete: bool
    dropped: str | None


def build_buckets(
    source: Source,
    tokenizer: Tokenizer | CountedElsewhere,
    wanted: Wanted,
    *,
    hurry: bool,
    limit: int | None = None,
    say: Say,
) -> dict[int, Built]:
    """Take the prompts of each wanted length out of `source`.

    With `hurry` only a sample of the source, drawn from the seed, is read where that is enough
    to fill all buckets; `limit` ends the reading after that many records.
    """
    if source.kind == "synthetic":
        return {
            length: Built(
                synthesise(tokenizer, length, wanted.per_length, wanted.seed), 0, True, None
            )
            for length in wanted.lengths
        }
    assert isinstance(tokenizer, Tokenizer)  # texts are cut at positions that only it knows
    reader = RecordReader(source, download=not hurry)
    promptless = Promptless(source)
    sorter = Sorter(tokenizer, wanted)
    with BuildProgress(f"prompts from {source}", say) as progress:
        complete = _read(reader, promptless, sorter, tokenizer, wanted.seed, hurry, limit, progress)
    if sorter.prompts_seen == 0:
        promptless.refuse()
        raise ConfigError(f"prompt source {source}: there is no prompt in it")
    say(
        f"{source}: {sorter.prompts_seen:,} prompts counted,"
        f" {sorter.duplicates:,} duplicates left out"
    )
    dropped = "; ".join(filter(None, (reader.dropped, promptless.dropped))) or None
    if dropped:
        say(dropped)
    taken = {length: sorter.take(length) for length in wanted.lengths}
    return {
        length: Built(prompts, trimmed, complete, dropped)
        for length, (prompts, trimmed) in taken.items()
    }


def _read(
    reader: RecordReader,
    promptless: Promptless,
    sorter: Sorter,
    tokenizer: Tokenizer,
    seed: int,
    hurry: bool,
    limit: int | None,
    progress: BuildProgress,
) -> bool:
    """Sort the records that the reader gives; return whether the whole source was read."""
    clean = cleaner(tokenizer.specials)
    for number, records in enumerate(_passes(reader, seed, hurry)):
        for batch in _batches(_passages(islice(records, limit), clean, promptless)):
            sorter.add(batch)
            progress.show(reader.share, sorter.prompts_seen)
        last = reader.source.kind == "file" and number == len(_SHARES) - 2
        if hurry and not last and sorter.full(trimmed=number > 0):
            return False
    return limit is None


def _passes(reader: RecordReader, seed: int, hurry: bool) -> Iterator[Iterable[Record]]:
    """The parts of a source; after each the caller asks again whether the buckets are full.

    A file is read once for each share of its records, which the seed draws. A hub data set is
    read block by block from its start, since each further reading would be a transfer.
    """
    if not hurry:
        yield reader
    elif reader.source.kind == "hub":
        rows = iter(reader)
        while block := list(islice(rows, _BLOCK)):
            yield block
    else:
        for low, high in pairwise(_SHARES):
            draw = random.Random(seed)
            yield (record for record in reader if low <= draw.random() < high)


class Promptless:
    """Counts the records of a source that have no prompt; refuses one that has no others."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._count = 0
        self._first: tuple[str, ...] = ()
        self.prompts = 0

    def add(self, record: Record) -> None:
        """A record had no prompt; `ConfigError` when many had none, and none had one."""
        self._first = self._first or tuple(map(str, record))
        self._count += 1
        if self._count >= _ENOUGH and not self.prompts:
            self.refuse()

    def refuse(self) -> None:
        """Raise `ConfigError` if there were such records."""
        if self._count:
            raise ConfigError(
                f"prompt source {self._source}: its records have neither 'prompt' nor "
                f"'conversations' (they have: {', '.join(self._first) or 'nothing'})"
            )

    @property
    def dropped(self) -> str | None:
        """What was left out; None: nothing was."""
        if not self._count:
            return None
        return f"{self._source}: {self._count:,} records dropped that have no prompt"


def _passages(records: Iterable[Record], clean: Clean, promptless: Promptless) -> Iterator[Passage]:
    for record in records:
        try:
            record_passage = passage(record, clean)
        except KeyError:
            promptless.add(record)
            continue
        if record_passage is not None:
            promptless.prompts += 1
            yield record_passage


def _batches(passages: Iterator[Passage]) -> Iterator[list[Passage]]:
    while batch := list(islice(passages, _BATCH)):
        yield batch
