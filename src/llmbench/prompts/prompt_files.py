"""The prompt files and the manifest beside them.

The files are those of the EchoSwift deck: ``Dataset_128.csv`` with the columns ``Input_Prompt``
and ``No of Tokens`` (its own tool spells them so), in UTF-8, every text quoted.
"""

from __future__ import annotations

import csv
import hashlib
import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llmbench.config import ConfigError
from llmbench.prompts.corpus.sources import Source
from llmbench.records import Prompt
from llmbench.store import replace_file

Say = Callable[[str], None]
"""A function that shows the user one line."""

COLUMNS = ("Input_Prompt", "No of Tokens")
MANIFEST = "manifest.json"
SCHEMA = 1


class PromptFile(Struct, frozen=True):
    """What the manifest says about one file of prompts.

    `prompts` is how many the file has, `trimmed` how many of these were cut from longer ones,
    `wanted` how many were asked for; `tokens_min` and `tokens_max` belong to its shortest and
    its longest prompt. `complete` is False where the source was not read to its end because the
    buckets were full. `commit` is the commit of the hub data set that was read; `source_stamp`
    changes with the content of a source that is a file.
    """

    file: str
    tokens: int
    tolerance: int
    prompts: int
    trimmed: int
    wanted: int
    tokens_min: int | None
    tokens_max: int | None
    sha256: str
    source: Source
    commit: str | None
    source_stamp: str | None
    seed: int
    trim: bool
    complete: bool
    dropped: str | None = None

    @property
    def pinned(self) -> Source:
        """The source at the commit that was read."""
        return replace(self.source, revision=self.commit or self.source.revision)

    @property
    def kind(self) -> str:
        """Whether the prompts are ``real`` or ``synthetic``."""
        return "synthetic" if self.source.kind == "synthetic" else "real"


class Manifest(Struct, frozen=True):
    """``manifest.json`` beside the prompt files of one tokenizer."""

    tokenizer: str
    tokenizer_sha256: str
    files: dict[str, PromptFile] = {}  # by length in tokens
    schema: int = SCHEMA


def file_name(tokens: int) -> str:
    """The name that the EchoSwift deck gives to the file with the prompts of a length."""
    return f"Dataset_{tokens}.csv"


def encode(prompts: Iterable[Prompt]) -> bytes:
    """The content of a prompt file."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows((prompt.text, prompt.tokens) for prompt in prompts)
    return text.getvalue().encode()


def read(path: Path) -> tuple[Prompt, ...]:
    """The prompts of a file; `ConfigError` where it is not a prompt file."""
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(encoding="utf-8", newline="") as text:
            rows = csv.DictReader(text, strict=True)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise ValueError(f"its columns are not {COLUMNS}")
            return tuple(Prompt(row[COLUMNS[0]], int(row[COLUMNS[1]])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a file of prompts that can be read: {error!r}") from error


def file_sha256(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in `folder`; None where there is none, `ConfigError` where it is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        if manifest.schema != SCHEMA:
            raise ValueError(f"schema {manifest.schema}, not {SCHEMA}")
        return manifest
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"{path}: damaged, or of another version ({error}); delete the folder {folder} to have"
            " its prompts built again"
        ) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in `folder`, whole or not at all."""
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    replace_file(folder / MANIFEST, encoded + b"\n")
