"""tox environments for the models: every name under fixtures/models.

So there is no second list of the models: a new TOML file is a new environment. The variables that
the files name (tokens, API keys) are passed on to these environments, and to no other.
"""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tox.config.sets import EnvConfigSet
from tox.plugin import impl
from tox.session.state import State

MODELS = Path(__file__).parent / "fixtures" / "models"


@impl
def tox_extend_envs() -> Iterable[str]:
    """``llama-2-70b-tgi``, …; tox itself then also takes parts of a name: ``70b``, ``tgi``."""
    return sorted(path.stem for path in MODELS.glob("*.toml"))


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Add the variables that the models' files name to what their environments may see."""
    if env_conf["env_dir"].name == "models":
        env_conf["pass_env"].extend(sorted(set(variables()) - set(env_conf["pass_env"])))


def variables() -> Iterator[str]:
    """The names of variables in all the models' files; one with a mistake is pytest's to report."""
    for path in MODELS.glob("*.toml"):
        try:
            model = tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        client = model.get("client", {})
        yield from model.get("server", {}).get("environment", [])
        yield from [client["api_key_env"]] if "api_key_env" in client else []
        headers = client.get("headers", {}).values()
        yield from (value.removeprefix("$") for value in headers if value.startswith("$"))
