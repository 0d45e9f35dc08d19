"""Images: pulled from a registry, built from a folder, or a clear error."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmbench.config import ConfigError, DockerServer
from llmbench.servers.docker.images import PullProgress, _missing, ensure_image
from llmbench.servers.running import LaunchError
from tests.servers.docker.registry import registry

if TYPE_CHECKING:
    from docker import DockerClient


@pytest.fixture
def built(docker_engine: "DockerClient") -> Iterator[Callable[[str], str]]:
    """Names for images that are removed afterwards."""
    names: list[str] = []

    def name(image: str) -> str:
        names.append(image)
        return image

    yield name
    for image in names:
        docker_engine.images.remove(image, force=True)


def server(image: str, build: Path | None = None, **build_args: str) -> DockerServer:
    folder = None if build is None else str(build)
    return DockerServer(image=image, command=(), port=1, build=folder, build_args=build_args)


def a_layer() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        file = tarfile.TarInfo("hello")
        file.size = 100_000
        tar.addfile(file, io.BytesIO(b"x" * file.size))
    return archive.getvalue()


def test_a_missing_image_is_pulled_with_progress(
    docker_engine: "DockerClient", built: Callable[[str], str]
) -> None:
    said: list[str] = []
    with registry("tiny", a_layer()) as image:
        got = ensure_image(docker_engine, "m", server(built(image)), said.append)
    assert got.tags == [image]
    assert got.attrs["RepoDigests"][0].startswith(image.removesuffix(":latest") + "@sha256:")
    assert said[0] == f"m: image {image} is not here: pulling it"
    assert said[-1].startswith(f"m: pulling {image}: 1 of 1 layers")
    assert said[-1].endswith("complete")


def test_an_image_that_is_here_is_taken_as_it_is(
    docker_engine: "DockerClient", server_image: str
) -> None:
    said: list[str] = []
    got = ensure_image(docker_engine, "m", server(server_image), said.append)
    assert got.tags == [server_image]
    assert said == []


def test_an_image_that_the_registry_lacks(docker_engine: "DockerClient") -> None:
    with registry("tiny", a_layer()) as image:
        missing = image.replace("tiny", "tinier")
        with pytest.raises(LaunchError) as error:
            ensure_image(docker_engine, "m", server(missing), lambda line: None)
    assert str(error.value).startswith(f"m: no image {missing}, and it can't be pulled: ")
    assert "hint: the registry has no such image: check name and tag" in str(error.value)


def test_a_registry_that_is_not_there(docker_engine: "DockerClient") -> None:
    with pytest.raises(LaunchError) as error:
        ensure_image(docker_engine, "m", server("127.0.0.1:1/x:1"), lambda line: None)
    assert "hint: is the registry in reach? docker pull shows the same error" in str(error.value)


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("write /var/lib/docker: no space left on device", "free disk space for the engine"),
        ("pull access denied for x", "check the image's name"),
        ("manifest unknown", "the registry has no such image"),
    ],
)
def test_why_a_pull_failed_has_its_hint(reason: str, hint: str) -> None:
    assert hint in str(_missing("m", "x:1", reason))


def test_a_missing_image_is_built(
    docker_engine: "DockerClient",
    server_image: str,
    built: Callable[[str], str],
    tmp_path: Path,
) -> None:
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE=none\nFROM ${BASE}\nRUN echo 1 > /made\n", encoding="utf-8"
    )
    said: list[str] = []
    wanted = server(built("llmbench-test-built:1"), tmp_path, BASE=server_image)
    got = ensure_image(docker_engine, "m", wanted, said.append)
    assert got.tags == ["llmbench-test-built:1"]
    assert said[0] == f"m: image llmbench-test-built:1 is not here: building it from {tmp_path}"
    assert said[-1] == "m: Step 3/3 : RUN echo 1 > /made"


def test_a_build_that_fails_shows_its_last_lines(
    docker_engine: "DockerClient", server_image: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(
        f"FROM {server_image}\nRUN echo last words; exit 3\n", encoding="utf-8"
    )
    with pytest.raises(LaunchError) as error:
        wanted = server("llmbench-test-unbuilt:1", tmp_path)
        ensure_image(docker_engine, "m", wanted, lambda line: None)
    message = str(error.value)
    assert f"the image llmbench-test-unbuilt:1 can't be built from {tmp_path}" in message
    assert "returned a non-zero code: 3" in message
    assert "last words" in message


def test_a_folder_without_a_dockerfile(docker_engine: "DockerClient", tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        ensure_image(docker_engine, "m", server("no-such:1", tmp_path), lambda line: None)
    assert str(error.value) == f"m: server.build: no Dockerfile in {tmp_path}"


def test_progress_sums_layers_and_bytes() -> None:
    progress = PullProgress("big:1")
    for layer in ("a", "b", "c"):
        progress.update({"id": layer, "status": "Pulling fs layer"})
    progress.update(_downloading("a", 500_000_000, 2_000_000_000))
    progress.update(_downloading("b", 1_000_000_000, 1_000_000_000))
    progress.update({"id": "b", "status": "Pull complete"})
    progress.update({"status": "Digest: sha256:0"})
    assert progress.line() == "pulling big:1: 1 of 3 layers, 1.50 of 3.00 GB"
    progress.update({"id": "a", "status": "Download complete"})
    assert progress.line() == "pulling big:1: 1 of 3 layers, 3.00 of 3.00 GB"


def _downloading(layer: str, current: int, total: int) -> dict[str, object]:
    detail = {"current": current, "total": total}
    return {"id": layer, "status": "Downloading", "progressDetail": detail}


@pytest.mark.parametrize("tag", ["", "@digest"])
def test_a_name_without_a_tag_means_latest_and_a_digest_stays(
    docker_engine: "DockerClient", built: Callable[[str], str], tag: str
) -> None:
    with registry("tiny", a_layer()) as image:
        latest = ensure_image(docker_engine, "m", server(built(image)), lambda line: None)
        digest = latest.attrs["RepoDigests"][0]
        docker_engine.images.remove(image, force=True)
        name = digest if tag else image.removesuffix(":latest")
        got = ensure_image(docker_engine, "m", server(name), lambda line: None)
        if tag:
            docker_engine.api.tag(digest, image)
    assert got.id == latest.id
