"""Finds the image of a configuration, or pulls it (with progress) or builds it."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmbench.config import ConfigError, DockerServer
from llmbench.servers.running import LaunchError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

Say = Callable[[str], None]

PROGRESS_S = 2.0
"""The time between two lines of progress."""


def ensure_image(client: "DockerClient", name: str, server: DockerServer, say: Say) -> "Image":
    """The image of the configuration `name`, which is built or pulled first if it is missing."""
    from docker.errors import ImageNotFound

    try:
        return client.images.get(server.image)
    except ImageNotFound:
        pass
    if server.build is None:
        _pull(client, name, server.image, say)
    else:
        _build(client, name, server, Path(server.build).expanduser(), say)
    return client.images.get(server.image)


class PullProgress:
    """The events of a pull, summed over its layers."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._layers: dict[str, tuple[int, int]] = {}  # bytes received, bytes in all (0: not known)
        self._done: set[str] = set()

    def update(self, event: dict[str, Any]) -> None:
        """Take in one event of the engine's stream."""
        layer, status = event.get("id", ""), event.get("status", "")
        if status == "Pulling fs layer":
            self._layers[layer] = (0, 0)
        elif status == "Downloading":
            detail = event.get("progressDetail") or {}
            self._layers[layer] = (detail.get("current", 0), detail.get("total", 0))
        elif status in ("Download complete", "Pull complete", "Already exists"):
            received, total = self._layers.get(layer, (0, 0))
            self._layers[layer] = (max(received, total), total)
            if status != "Download complete":
                self._done.add(layer)

    def line(self) -> str:
        """``pulling IMAGE: 3 of 12 layers, 1.2 of 8.4 GB``."""
        received = sum(received for received, _ in self._layers.values()) / 1e9
        total = sum(total for _, total in self._layers.values()) / 1e9
        layers = f"{len(self._done)} of {len(self._layers | dict.fromkeys(self._done))} layers"
        return f"pulling {self._image}: {layers}, {received:.2f} of {total:.2f} GB"


def _pull(client: "DockerClient", name: str, image: str, say: Say) -> None:
    from docker.errors import APIError

    progress = PullProgress(image)
    say(f"{name}: image {image} is not here: pulling it")
    failure = None
    try:
        events = client.api.pull(image, stream=True, decode=True)
        for event in _spaced(events, lambda: say(f"{name}: {progress.line()}")):
            failure = failure or event.get("error")  # read to the end: the SDK keeps its socket
            progress.update(event)
    except APIError as error:
        failure = error.explanation or str(error)
    if failure is not None:
        raise _missing(name, image, str(failure))
    say(f"{name}: {progress.line()}, complete")


def _missing(name: str, image: str, reason: str) -> LaunchError:
    if "no space left" in reason:
        hint = "free disk space for the engine (docker system df shows what takes it)"
    elif "denied" in reason or "unauthorized" in reason:
        hint = "check the image's name; a private registry needs docker login first"
    elif "manifest unknown" in reason or "not found" in reason:
        hint = "the registry has no such image: check name and tag in server.image"
    else:
        hint = "is the registry in reach? docker pull shows the same error; or load it by hand"
    return LaunchError(name, f"no image {image}, and it can't be pulled: {reason}", hint=hint)


def _build(client: "DockerClient", name: str, server: DockerServer, folder: Path, say: Say) -> None:
    from docker.errors import APIError

    if not (folder / "Dockerfile").is_file():
        raise ConfigError(f"{name}: server.build: no Dockerfile in {folder.resolve()}")
    say(f"{name}: image {server.image} is not here: building it from {folder}")
    lines: list[str] = []
    failed = False
    try:
        events = client.api.build(
            path=str(folder),
            tag=server.image,
            buildargs=server.build_args,
            use_config_proxy=True,
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:
            text = str(event.get("stream") or event.get("error") or "").strip()
            lines += text.splitlines()
            if text.startswith("Step "):
                say(f"{name}: {text}")
            failed = failed or "error" in event
    except APIError as error:
        failed, lines = True, [str(error.explanation)]
    if failed:
        raise _unbuilt(name, server.image, folder, lines)


def _unbuilt(name: str, image: str, folder: Path, lines: list[str]) -> LaunchError:
    last = lines[-1] if lines else "the engine says nothing"
    return LaunchError(
        name,
        f"the image {image} can't be built from {folder}: {last}",
        log_tail=tuple(lines[-20:]),
        log_file=folder / "Dockerfile",
        hint="docker build shows the same; without a registry see .ci/docker-engine",
    )


def _spaced(events: Iterable[dict[str, Any]], act: Callable[[], None]) -> Iterable[dict[str, Any]]:
    """Pass `events` on and call `act` between them, at most once every `PROGRESS_S`."""
    last = time.monotonic()
    for event in events:
        yield event
        if time.monotonic() - last >= PROGRESS_S:
            last = time.monotonic()
            act()
