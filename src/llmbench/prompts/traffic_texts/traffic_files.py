"""Reads the files under fixtures/traffic/; every error names the file, the key and the remedy."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from llmbench.config import ConfigError
from llmbench.prompts.traffic_texts.mix_files import check_hang_ups, mix_of
from llmbench.traffic import Conversations, Lengths, Plain, Replayed, SharedPrefix, Traffic
from llmbench.value_types import explain, nearest

KINDS: dict[str, type[Lengths | Conversations | SharedPrefix | Replayed]] = {
    "lengths": Lengths,
    "conversations": Conversations,
    "shared-prefix": SharedPrefix,
    "requests": Replayed,
}
MIX = "mix"
SOURCES = (".json", ".jsonl", ".csv", ".parquet")


def load_traffic(name: str, folder: Path) -> Traffic:
    """The traffic that `name` stands for: a TOML file, or one of those in `folder` by its stem."""
    path = Path(name)
    if path.suffix != ".toml":
        path = folder / f"{name}.toml"
        if not path.is_file():
            known = sorted(file.stem for file in folder.glob("*.toml"))
            raise ConfigError(
                f"traffic {name!r}: {folder} has no such file{nearest(name, known)}; write one"
                " (docs/traffic.md), or give the path of a TOML file"
            )
    raw = _read(path)
    if raw.get("kind") != MIX:
        return _convert(raw, path)

    def beside(part: str) -> Traffic:
        """The traffic of a class; a path counts from the file of the mix."""
        return load_traffic(str(path.parent / part) if part.endswith(".toml") else part, folder)

    return mix_of(raw, path, beside)


def traffic_named(names: Sequence[str], folder: Path) -> tuple[Traffic, ...]:
    """Each traffic of `names`; two of the same name can't be told apart."""
    loaded = tuple(load_traffic(name, folder) for name in names)
    stems = [traffic.name for traffic in loaded]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ConfigError(f"traffic {stem!r} is given twice: cells are named after it")
    return loaded


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _convert(raw: dict[str, Any], path: Path) -> Plain:
    kind = KINDS.get(str(raw.get("kind")))
    if kind is None:
        given = "missing" if "kind" not in raw else f"unknown {raw['kind']!r}"
        raise ConfigError(f"{path}: key 'kind': {given}{nearest('', [*KINDS, MIX])}")
    raw = raw | {"name": path.stem}
    for key in ("file", "source"):  # a path counts from the file that names it
        value = raw.get(key)
        if isinstance(value, str) and (key == "file" or value.endswith(SOURCES)):
            raw[key] = value if value.startswith("package:") else str(path.parent / value)
    try:
        traffic = msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, kind, raw)}") from error
    _check(traffic, path)
    return traffic


def _check(traffic: Plain, path: Path) -> None:
    """Refuse keys that contradict one another, and a file that is not there."""
    check_hang_ups(traffic, str(path))
    if isinstance(traffic, Replayed):
        if not Path(traffic.file).is_file():
            raise ConfigError(f"{path}: key 'file': {traffic.file} is not a file")
        return
    if isinstance(traffic, SharedPrefix | Lengths):
        return
    if traffic.answers == "recorded" and traffic.source == "synthetic":
        raise ConfigError(
            f"{path}: key 'answers': made-up conversations have no recorded answers; name a"
            " 'source', or leave 'answers' out"
        )
    if traffic.system and traffic.system_tokens:
        raise ConfigError(
            f"{path}: keys 'system' and 'system_tokens': give the system prompt or its length"
        )
    if traffic.fewest_turns > traffic.turns:
        raise ConfigError(
            f"{path}: key 'fewest_turns': {traffic.fewest_turns} is more than the"
            f" {traffic.turns} turns that a conversation has at most"
        )
    longest = traffic.system_tokens + traffic.user_tokens[0] + traffic.output_tokens
    if traffic.context_tokens is not None and longest > traffic.context_tokens:
        raise ConfigError(
            f"{path}: key 'context_tokens': the first turn alone needs {longest:g} tokens, which"
            f" don't fit {traffic.context_tokens}; ask for fewer"
        )
