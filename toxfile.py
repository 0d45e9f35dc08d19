"""tox environments for the models: every name, and every word of a name, under fixtures/models.

So there is no second list of the models: a new TOML file is a new environment.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from tox.plugin import impl

MODELS = Path(__file__).parent / "fixtures" / "models"


@impl
def tox_extend_envs() -> Iterable[str]:
    """``llama-2-70b-tgi``, and for short ``70b``, ``tgi``, …: what ``pytest -k`` understands."""
    names = sorted(path.stem for path in MODELS.glob("*.toml"))
    words = {word for name in names for word in name.split("-") if re.search(r"[a-z]", word)}
    return [*names, *sorted(words - set(names))]
