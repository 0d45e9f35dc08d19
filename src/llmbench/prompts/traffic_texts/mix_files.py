"""Reads the classes of a mix; every error names the file, the class and the remedy."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from llmbench.access import check_secrets, request_headers
from llmbench.config import ConfigError
from llmbench.records import ClientSettings
from llmbench.traffic import (
    Conversations,
    HangUps,
    Lengths,
    Mix,
    Plain,
    Replayed,
    Traffic,
    TrafficClass,
    exactly,
)
from llmbench.value_types import Count, Share, Slo, explain

LENGTHS = ("input_tokens", "output_tokens")


class ClassTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A class as it stands in the file: with a traffic by its name, or with plain lengths."""

    name: str
    share: Share
    traffic: str | None = None  # beside the mix, or a TOML file
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    model: str | None = None
    headers: dict[str, str] = {}
    slo: Slo | None = None
    hang_ups: HangUps | None = None


class MixTable(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="mix"):
    """The file of a mix."""

    classes: tuple[ClassTable, ...]


def mix_of(raw: dict[str, Any], path: Path, named: Callable[[str], Traffic]) -> Mix:
    """The mix in the file at `path`; `named` loads the traffic of a class."""
    try:
        table = msgspec.convert(raw, MixTable)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, MixTable, raw)}") from error
    _check_shares(table.classes, path)
    return Mix(path.stem, tuple(_class(one, path, named) for one in table.classes))


def check_hang_ups(traffic: Traffic, where: str) -> None:
    """Raise `ConfigError` where nothing says after what, or the answer is over by then."""
    hang_ups: HangUps | None = getattr(traffic, "hang_ups", None)
    if hang_ups is None:
        return
    if (hang_ups.after_tokens is None) == (hang_ups.after_ms is None):
        raise ConfigError(
            f"{where}: key 'hang_ups': give after_tokens or after_ms, after which the client hangs"
            " up"
        )
    whole = None if isinstance(traffic, Replayed) else getattr(traffic, "output_tokens", None)
    if whole is not None and (hang_ups.after_tokens or 0) >= whole:
        raise ConfigError(
            f"{where}: key 'hang_ups': an answer of {whole} tokens is over {hang_ups.moment};"
            " hang up earlier, or ask for longer answers"
        )


def _check_shares(classes: Sequence[ClassTable], path: Path) -> None:
    names = [one.name for one in classes]
    for one in classes:
        if not one.name or names.count(one.name) > 1:
            raise ConfigError(
                f"{path}: class {one.name!r}: tables are told apart by the names of classes; give"
                " each a name of its own"
            )
        if one.share <= 0:
            raise ConfigError(
                f"{path}: class {one.name!r}: a share of {one.share:g} sends nothing; give a share"
                " above 0, or leave the class out"
            )
    whole = sum(exactly(one.share) for one in classes)
    if whole != 1:
        raise ConfigError(
            f"{path}: the shares of its classes add up to {float(whole):g}, and have to add up to 1"
        )


def _class(one: ClassTable, path: Path, named: Callable[[str], Traffic]) -> TrafficClass:
    where = f"{path}: class {one.name!r}"
    if one.model is not None and not one.model.strip():
        raise ConfigError(
            f"{where}: key 'model': it names none; name a model or a LoRA adapter of the server, or"
            " leave the key out for the cell's own"
        )
    _check_headers(one.headers, where)
    traffic = _with_hang_ups(_traffic(one, where, named), one.hang_ups, where)
    check_hang_ups(traffic, where)
    return TrafficClass(one.name, one.share, traffic, one.model, one.headers, one.slo)


def _check_headers(headers: dict[str, str], where: str) -> None:
    """Refuse headers that can't be sent, or whose variable isn't set; none may hold a secret."""
    client = ClientSettings(headers=headers)
    check_secrets(client, where)
    try:
        request_headers(client)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _traffic(one: ClassTable, where: str, named: Callable[[str], Traffic]) -> Plain:
    """What a class sends: a traffic by its name, or prompts of one length."""
    lengths = [name for name in LENGTHS if getattr(one, name) is not None]
    if (one.traffic is None) == (not lengths):
        both = "a traffic and lengths" if lengths else "neither a traffic nor lengths"
        raise ConfigError(
            f"{where}: it has {both}; give traffic = 'NAME', or input_tokens and output_tokens"
        )
    if one.traffic is not None:
        traffic = named(one.traffic)
        if isinstance(traffic, Mix):
            raise ConfigError(
                f"{where}: traffic {one.traffic!r} is a mix itself; name its classes here instead"
            )
        return traffic
    if one.input_tokens is None or one.output_tokens is None:
        missing = next(name for name in LENGTHS if name not in lengths)
        raise ConfigError(f"{where}: key {missing!r} is missing, beside {lengths[0]!r}")
    return Lengths(one.name, one.input_tokens, one.output_tokens)


def _with_hang_ups(traffic: Plain, hang_ups: HangUps | None, where: str) -> Plain:
    """The class's own hang-ups take the place of its traffic's."""
    if hang_ups is None:
        return traffic
    if isinstance(traffic, Conversations):
        raise ConfigError(
            f"{where}: key 'hang_ups': conversations need their answers to go on; hang up on"
            " requests of another kind"
        )
    return structs.replace(traffic, hang_ups=hang_ups)
