"""Finds the models of a session, from the hook or ``--llm-url``, and checks them early."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from llmbench.access import check_secrets, check_sendable, check_url, check_written
from llmbench.apis import dialect
from llmbench.cells import Cell
from llmbench.config import ConfigError, DockerServer, ModelConfig, RemoteServer, load_models
from llmbench.plugin.versions import at_version
from llmbench.records import Deal
from llmbench.value_types import nearest

if TYPE_CHECKING:
    from llmbench.plugin.options import Options


def models_in(folder: Path) -> Sequence[ModelConfig]:
    """The models of the TOML files in `folder`; `ConfigError` where there is none."""
    models = load_models(folder)
    if not models:
        raise ConfigError(
            f"{folder}: no model configuration (*.toml) there; write one (docs/models.md), "
            "name another folder with --llm-models-dir, or measure a running server with --llm-url"
        )
    return models


def check_access(model: ModelConfig) -> None:
    """Refuse an unknown dialect, a text that is not a URL, and a secret in a file or unsendable."""
    try:
        dialect(model.api)
    except ConfigError as error:
        raise ConfigError(f"{model.name}: {error}") from None
    check_secrets(model.client, model.name)
    check_written(model)
    check_sendable(model.client)
    if isinstance(model.server, RemoteServer):
        check_url(model.server.url, f"{model.name}: server.url")
        for url in model.server.replicas:
            check_url(url, f"{model.name}: server.replicas")


def with_client(model: ModelConfig, *, timeout_s: float | None, deal: Deal | None) -> ModelConfig:
    """The same model with another timeout and another way to deal requests; None: its own."""
    client = model.client
    if timeout_s is not None:
        client = msgspec.structs.replace(client, request_timeout_s=timeout_s)
    if deal is not None:
        client = msgspec.structs.replace(client, deal=deal)
    return msgspec.structs.replace(model, client=client)


def through_ssh(model: ModelConfig, asked: bool) -> ModelConfig:
    """The same model, in a container that is reached through SSH if that is `asked`."""
    if not (asked and isinstance(model.server, DockerServer)):
        return model
    server = msgspec.structs.replace(model.server, ssh_tunnel=True)
    return msgspec.structs.replace(model, server=server)


def pair_of(text: str, models: Iterable[ModelConfig]) -> tuple[ModelConfig, ModelConfig]:
    """The two models that ``--llm-ab`` names, each as it is or at a version (``name@version``)."""
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or names[0] == names[1]:
        raise ConfigError(f"--llm-ab: {text!r} is not the names of two models, as in a,b")
    by_name = {model.name: model for model in models}
    first, second = (_named(name, by_name) for name in names)
    return first, second


def _named(text: str, models: Mapping[str, ModelConfig]) -> ModelConfig:
    name, at, version = text.partition("@")
    model = models[choose(name, list(models), "--llm-ab")]
    return at_version(model, version, f"--llm-ab: {text!r}") if at else model


def choose(name: str, valid: Sequence[str], where: str) -> str:
    """`name` if it is one of `valid`; else a `ConfigError` suggests the nearest."""
    if name not in valid:
        raise ConfigError(f"{where}: unknown {name!r}{nearest(name, list(valid))}")
    return name


def launches_by_model(
    models: Iterable[ModelConfig], cells: Iterable[Cell], options: "Options"
) -> dict[str, int]:
    """How many launches of its server the repeats of each model of `cells` are spread over.

    `ConfigError` where a server can't be launched as often.
    """
    from llmbench.bench import launches_of

    measured = {cell.model for cell in cells}
    grids = {model.name: options.grid_of(model) for model in models}
    return {m.name: launches_of(m, grids[m.name]) for m in models if m.name in measured}
