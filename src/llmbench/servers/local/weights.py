"""Finds the weights of an embedded engine: at a path, or inside an installed package."""

from pathlib import Path

from llmbench.config import ConfigError
from llmbench.packages import SCHEME, file_in, how_to_install, package_folders, split_name


def find_weights(weights: str) -> Path:
    """The file that ``server.weights`` names; a `ConfigError` says how to get one that is missing.

    ``package:NAME/FILE`` is a file inside the package NAME, which is found but not imported.
    """
    if not weights.startswith(SCHEME):
        weights_file = Path(weights).expanduser()
        if not weights_file.is_file():
            raise ConfigError(
                f"server.weights: no file {weights_file}; give the path of a GGUF file"
            )
        return weights_file
    package, file = split_name(weights)
    install = how_to_install(package)
    folders = package_folders(package)
    if not folders:
        raise ConfigError(f"server.weights: package {package} is not installed; run: {install}")
    path = file_in(folders, file)
    if path is None:
        raise ConfigError(
            f"server.weights: package {package} holds no file {file!r}; run: {install}"
        )
    return path
