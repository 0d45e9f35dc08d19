"""``--llm-ssh-tunnel``: for containers, on the command line and in the ini file."""

import pytest

from llmbench.config import ConfigError, DockerServer, ModelConfig, RemoteServer, Server
from llmbench.plugin.models import through_ssh
from llmbench.plugin.url_options import switch


def model(server: Server) -> ModelConfig:
    return ModelConfig("m", "M", "m", "tgi", "none", server)


def test_it_is_for_containers() -> None:
    plain = DockerServer(image="i", command=(), port=80)
    tunnelled = DockerServer(image="i", command=(), port=80, ssh_tunnel=True)
    assert through_ssh(model(plain), True) == model(tunnelled)
    assert through_ssh(model(tunnelled), False) == model(tunnelled)  # its TOML asks for it
    assert through_ssh(model(RemoteServer("http://x")), True) == model(RemoteServer("http://x"))


def test_the_ini_file_may_spell_it_out() -> None:
    asked = [switch(text, "--llm-ssh-tunnel") for text in (None, "true", "no")]
    assert asked == [False, True, False]
    with pytest.raises(ConfigError, match=r"^--llm-ssh-tunnel: 'perhaps' is neither"):
        switch("perhaps", "--llm-ssh-tunnel")
