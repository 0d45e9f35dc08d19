"""A model at another version, as ``--llm-ab name@this,name@that`` names it."""

import pytest

from llmbench.config import CommandServer, ConfigError, DockerServer, ModelConfig, Server
from llmbench.plugin.versions import at_version


def model(server: Server) -> ModelConfig:
    return ModelConfig("mine", "Mine", "m", "openai-completions", "none", server)


@pytest.mark.parametrize(
    ("image", "version", "expected"),
    [
        ("vllm/vllm-openai:v0.9.0", "v0.9.1", "vllm/vllm-openai:v0.9.1"),
        ("vllm/vllm-openai", "nightly", "vllm/vllm-openai:nightly"),
        ("host:5000/engine", "2", "host:5000/engine:2"),
        ("engine:1@sha256:aa", "2", "engine:2"),
        ("engine:1", "sha256:bb", "engine@sha256:bb"),
    ],
)
def test_the_version_of_a_container_is_the_tag_of_its_image(
    image: str, version: str, expected: str
) -> None:
    versioned = at_version(model(DockerServer(image, (), 80)), version, "--llm-ab")
    assert isinstance(versioned.server, DockerServer)
    assert (versioned.name, versioned.server.image) == (f"mine@{version}", expected)


def test_the_version_of_a_command_stands_where_its_toml_has_it() -> None:
    server = CommandServer(("uvx", "vllm=={version}", "{port}"), settings={"BUILD": "{version}"})
    versioned = at_version(model(server), "0.9.1", "--llm-ab").server
    assert versioned == CommandServer(("uvx", "vllm==0.9.1", "{port}"), settings={"BUILD": "0.9.1"})


def test_a_command_without_a_place_for_the_version_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"write {version} into server\.command") as caught:
        at_version(model(CommandServer(("vllm", "{port}"))), "2", "--llm-ab: 'mine@2'")
    assert str(caught.value).startswith("--llm-ab: 'mine@2': ")


@pytest.mark.parametrize("version", ["", "a b", "../x", "{port}"])
def test_a_text_that_is_not_a_version_is_refused(version: str) -> None:
    with pytest.raises(ConfigError, match="a version has letters, digits and"):
        at_version(model(DockerServer("engine:1", (), 80)), version, "--llm-ab")
