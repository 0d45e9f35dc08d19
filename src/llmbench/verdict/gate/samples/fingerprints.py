"""Lists what must be the same for two runs to be compared, as text that can be read and diffed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from llmbench.cells import Shape
from llmbench.config import ModelConfig, RemoteServer
from llmbench.records import CellRun, ClientSettings, Endpoint
from llmbench.store import RunInfo

HOST = ("cpu", "cores", "gpus", "kernel", "system")
ENGINES = ("xllamacpp",)
"""The packages whose version is that of the engine."""

ADDED = frozenset(
    [
        *("draft_tokens", "draft_acceptance", "tells_times", "steps", "metrics_as", "kv_tokens"),
        *("numa_node", "smt", "instances", "launch_spread", "prefix_cache", "checks_history"),
        *("pooling", "image_tokens"),
    ]
)
"""The keys of a server that 0.1.0 did not have: with their defaults it is the same server."""

SINCE_2 = frozenset({"warmup", "workers", "client", "request", "timeouts"})
"""The names that a cell's part has since version 2 of the baseline."""


def fingerprint(info: RunInfo, runs: Sequence[CellRun]) -> dict[str, str]:
    """Texts by dotted names, on the host, the harness, each model's configuration and each cell."""
    texts = {"harness.measuring_version": str(info.measuring_version), "seed": str(info.seed)}
    texts |= {f"host.{key}": _text(info.host.get(key)) for key in HOST if key in info.host}
    measured = {run.cell.model for run in runs}
    for model in info.models:
        if model.name in measured:
            texts |= {f"model.{model.name}.{k}": v for k, v in _model(model, info).items()}
    for run in runs:
        texts |= {f"cell.{run.cell_id}.{k}": v for k, v in _cell(run).items()}
    return dict(sorted(texts.items()))


class Differences(Struct, frozen=True):
    """``name: old -> new`` for all that differs."""

    refused: tuple[str, ...]  # it moves the numbers
    warnings: tuple[str, ...]  # it may


def fingerprint_differences(
    old: Mapping[str, str], new: Mapping[str, str], cells: Sequence[str]
) -> Differences:
    """All differences, for cells only of those named; where the tools differ, only that.

    What one side does not have at all (an older version did not store it) is only a warning.
    """
    tool, other = (side.get("tool", "pytest-llmbench") for side in (old, new))
    if tool != other:
        return Differences((f"tool: {tool} -> {other}",), ())
    refused: list[str] = []
    warnings: list[str] = []
    untold: set[str] = set()
    for name in sorted({*old, *new}):
        if name.startswith("cell.") and not any(name.startswith(f"cell.{c}.") for c in cells):
            continue
        if name.startswith("model.") and not (_of_model(name, old) and _of_model(name, new)):
            continue
        key = name.rpartition(".")[2]
        if old.get(name) == new.get(name):
            continue
        if key in SINCE_2 and not (name in old and name in new):
            untold.add(key)
            continue
        text = f"{name}: {old.get(name, 'none')} -> {new.get(name, 'none')}"
        (warnings if _only_may(name, old, new) else refused).append(text)
    if untold:
        warnings.append(f"{', '.join(sorted(untold))} of the cells: told by one side only")
    return Differences(tuple(refused), tuple(warnings))


def _only_may(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether a difference may move the numbers but need not."""
    if name == "host.kernel":
        return _release(old.get(name, "")) == _release(new.get(name, ""))
    return name.endswith(".timeouts") or name == "tool.version"


def _release(kernel: str) -> list[str]:
    """The release (6, 8) of ``6.8.0-45-generic``; the rest is a patch."""
    return re.findall(r"\d+", kernel)[:2]


def _of_model(name: str, side: Mapping[str, str]) -> bool:
    """Whether the model that `name` belongs to was measured on this side at all."""
    prefix = name.rpartition(".")[0]
    return any(key.startswith(f"{prefix}.") for key in side)


def _model(model: ModelConfig, info: RunInfo) -> dict[str, str]:
    server = dict(msgspec.to_builtins(model.server))
    for key in ("start_timeout_s", "url", "gated", "build", "launch_spread", "ssh_tunnel"):
        server.pop(key, None)
    replicas = server.pop("replicas", ())
    if replicas:
        server["replicas"] = len(replicas)  # not which, as addresses may change
    for field in structs.fields(model.server):
        if field.name in ADDED and server.get(field.name) == field.default:
            del server[field.name]
    texts = {
        "served": model.model,
        "api": model.api,
        "tokenizer": model.tokenizer,
        "revision": _text(model.revision),
        "server": _text(server),
    }
    if not isinstance(model.server, RemoteServer):
        packages = {name: info.packages[name] for name in ENGINES if name in info.packages}
        texts["engine"] = _text(packages)
    return texts


def _shape(shape: Shape) -> dict[str, Any]:
    """The load as it was asked for; trials are not compared, so nothing is said about them."""
    asked: dict[str, Any] = msgspec.to_builtins(shape)
    asked.pop("is_trial", None)
    if not asked.get("depth"):  # which 0.1.0 did not have
        asked.pop("depth", None)
    return asked


def _cell(run: CellRun) -> dict[str, str]:
    launch, client = run.endpoint.launch, run.endpoint.client
    versions = {k: v for k, v in launch.server_info.items() if "version" in k or "sha" in k}
    return {
        "prompts": run.prompts_sha256,
        "image_digest": _text(launch.image_digest),
        "cores": _text(launch.cpu_quota_cores or len(launch.cores)),
        "memory": _text(launch.memory_limit_bytes),
        "server": _text(versions),
        "simulated": _text(run.endpoint.simulated),
        "shape": _text(_shape(run.cell.shape)),
        "warmup": _text(run.warmup_per_user),
        "workers": _text(run.workers),
        "client": _text(_client(run.endpoint)),
        "timeouts": _text(_timeouts(client)),
        "request": _text(msgspec.to_builtins(run.endpoint.request)),
        **({} if run.cell.schema is None else {"schema": run.cell.schema.text or "none"}),
        **({} if run.cell.images is None else {"images": run.cell.images.text}),
    }


def _client(endpoint: Endpoint) -> dict[str, Any]:
    """How requests are sent, and how they are dealt if there are several instances."""
    client = endpoint.client
    sent: dict[str, Any] = {"stream": client.stream, "fresh_connections": client.fresh_connections}
    sent |= {"deal": client.deal} if endpoint.others else {}
    return sent | ({"ssh_tunnel": True} if endpoint.launch.ssh_tunnel else {})


def _timeouts(client: ClientSettings) -> dict[str, float]:
    """The time-outs, which change a number only when they end a request."""
    return {n: getattr(client, n) for n in client.__struct_fields__ if n.endswith("_timeout_s")}


def _text(value: Any) -> str:
    """`value` as short text with sorted keys; None is "none"."""
    if isinstance(value, str):
        return value
    return "none" if value is None else msgspec.json.encode(value, order="sorted").decode()
