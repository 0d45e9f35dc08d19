"""What must be the same for two runs to be compared, as flat text that can be read and diffed."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llmbench.config import ModelConfig, RemoteServer
from llmbench.records import CellRun
from llmbench.store import RunInfo

HOST = ("cpu", "cores", "gpus", "kernel", "system")
ENGINES = ("xllamacpp",)
"""Packages whose version is the engine's."""


def fingerprint(info: RunInfo, runs: Sequence[CellRun]) -> dict[str, str]:
    """Dotted name -> text: host, harness, each model's configuration, each cell's circumstances."""
    found = {"harness.measuring_version": str(info.measuring_version), "seed": str(info.seed)}
    found |= {f"host.{key}": _text(info.host.get(key)) for key in HOST if key in info.host}
    measured = {run.cell.model for run in runs}
    for model in info.models:
        if model.name in measured:
            found |= {f"model.{model.name}.{k}": v for k, v in _model(model, info).items()}
    for run in runs:
        found |= {f"cell.{run.cell_id}.{k}": v for k, v in _cell(run).items()}
    return dict(sorted(found.items()))


def differences(old: Mapping[str, str], new: Mapping[str, str], cells: Sequence[str]) -> list[str]:
    """``name: old -> new`` for all that differs, of cells only for those named."""
    lines = []
    for name in sorted({*old, *new}):
        if name.startswith("cell.") and not any(name.startswith(f"cell.{c}.") for c in cells):
            continue
        if name.startswith("model.") and not (_of_model(name, old) and _of_model(name, new)):
            continue
        if old.get(name) != new.get(name):
            lines.append(f"{name}: {old.get(name, 'none')} -> {new.get(name, 'none')}")
    return lines


def _of_model(name: str, side: Mapping[str, str]) -> bool:
    """Whether the model that `name` is of was measured on this side at all."""
    prefix = name.rpartition(".")[0]
    return any(key.startswith(f"{prefix}.") for key in side)


def _model(model: ModelConfig, info: RunInfo) -> dict[str, str]:
    server = dict(msgspec.to_builtins(model.server))
    for key in ("start_timeout_s", "url", "gated", "build"):
        server.pop(key, None)
    found = {
        "served": model.model,
        "api": model.api,
        "tokenizer": model.tokenizer,
        "revision": _text(model.revision),
        "server": _text(server),
    }
    if not isinstance(model.server, RemoteServer):
        packages = {name: info.packages[name] for name in ENGINES if name in info.packages}
        found["engine"] = _text(packages)
    return found


def _cell(run: CellRun) -> dict[str, str]:
    launch = run.endpoint.launch
    versions = {k: v for k, v in launch.server_info.items() if "version" in k or "sha" in k}
    return {
        "prompts": run.prompts_sha256,
        "image_digest": _text(launch.image_digest),
        "cores": _text(launch.cpu_quota_cores or len(launch.cores)),
        "memory": _text(launch.memory_limit_bytes),
        "server": _text(versions),
        "simulated": _text(run.endpoint.simulated),
        "shape": _text(msgspec.to_builtins(run.cell.shape)),
        "request": _text(msgspec.to_builtins(run.endpoint.request)),
    }


def _text(value: Any) -> str:
    """`value` as short text with sorted keys; None is "none"."""
    if isinstance(value, str):
        return value
    return "none" if value is None else msgspec.json.encode(value, order="sorted").decode()
