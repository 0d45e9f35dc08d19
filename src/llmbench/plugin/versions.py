"""Makes the configuration of a model at another version, for ``--llm-ab name@this,name@that``."""

import re

from msgspec import structs

from llmbench.config import CommandServer, ConfigError, DockerServer, ModelConfig, Server

VERSION = "{version}"


def at_version(model: ModelConfig, version: str, where: str) -> ModelConfig:
    """`model` at `version`, named ``name@version``; `ConfigError` says what its TOML needs.

    For a container that is the tag of its image (or its digest), for a command what stands for
    ``{version}`` in it: a release, a commit, a path, an option.
    """
    if not re.fullmatch(r"[\w.:+-]+", version):
        raise ConfigError(f"{where}: a version has letters, digits and .:+-_ only")
    name = f"{model.name}@{version}"
    return structs.replace(model, name=name, server=_server(model.server, version, where))


def _server(server: Server, version: str, where: str) -> Server:
    if isinstance(server, DockerServer):
        return structs.replace(server, image=_image(server.image, version))
    if not isinstance(server, CommandServer):
        kind = server.__struct_config__.tag
        raise ConfigError(
            f"{where}: a server of kind {kind!r} has no versions; one of kind 'docker' has (the "
            f"tag of its image), and one of kind 'command' whose command holds {VERSION}"
        )
    filled = structs.replace(
        server,
        command=tuple(word.replace(VERSION, version) for word in server.command),
        settings={key: text.replace(VERSION, version) for key, text in server.settings.items()},
    )
    if filled == server:
        raise ConfigError(
            f"{where}: write {VERSION} into server.command (or server.settings) of its TOML, "
            "where the version belongs"
        )
    return filled


def _image(image: str, version: str) -> str:
    """`image` with another tag, or with a digest (``sha256:…``)."""
    bare = image.partition("@")[0]
    folder, slash, last = bare.rpartition("/")
    repository = folder + slash + last.partition(":")[0]
    return f"{repository}{'@' if version.startswith('sha256:') else ':'}{version}"
