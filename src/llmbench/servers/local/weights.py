"""Where the weights of an embedded engine are: a path, or a file inside an installed package."""

from pathlib import Path

from llmbench.config import ConfigError
from llmbench.packages import SCHEME, file_in, how_to_install, package_folders, split_name


def find_weights(weights: str) -> Path:
    """The file that ``server.weights`` names; `ConfigError` says how to get it.

    ``package:NAME/FILE`` is a file inside the package NAME, which is found but not imported.
    """
    if not weights.startswith(SCHEME):
        path = Path(weights).expanduser()
        if not path.is_file():
            raise ConfigError(f"server.weights: no file {path}; give the path of a GGUF file")
        return path
    package, file = split_name(weights)
    install = how_to_install(package)
    folders = package_folders(package)
    if not folders:
        raise ConfigError(f"server.weights: package {package} is not installed; run: {install}")
    found = file_in(folders, file)
    if found is None:
        raise ConfigError(
            f"server.weights: package {package} holds no file {file!r}; run: {install}"
        )
    return found
