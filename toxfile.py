"""tox environments for the models: every name under fixtures/models.

So there is no second list of the models: a new TOML file is a new environment.
"""

from collections.abc import Iterable
from pathlib import Path

from tox.plugin import impl

MODELS = Path(__file__).parent / "fixtures" / "models"


@impl
def tox_extend_envs() -> Iterable[str]:
    """``llama-2-70b-tgi``, …; tox itself then also takes parts of a name: ``70b``, ``tgi``."""
    return sorted(path.stem for path in MODELS.glob("*.toml"))
