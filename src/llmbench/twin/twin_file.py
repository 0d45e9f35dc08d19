"""The file of a twin: what was fitted, how far it can be believed, and where it comes from."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.twin.cell_figures import Array
from llmbench.twin.step_costs import costs_of
from llmbench.value_types import EngineSteps


class FittedRange(Struct, frozen=True, forbid_unknown_fields=True):
    """The loads that were fitted, each from the least to the most."""

    users: tuple[int, int]
    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]


class Twin(Struct, frozen=True, forbid_unknown_fields=True):
    """A simulated engine (`steps`, `in_turn`) that behaves as a measured server did.

    `leave_one_out` holds the costs of the fits without one cell each (in ms, as `costs_of` has
    those of `steps`). `scatter` tells how far measured figures lay from the fitted ones: for each
    number of users (first) the standard deviations of TTFT, time per token and tokens/s, relative.
    Intervals of predictions are made of both.
    """

    name: str  # the configuration
    run: str  # its directory, or those of several
    simulated: bool
    range: FittedRange
    steps: EngineSteps
    scatter: tuple[tuple[int, float, float, float], ...]
    leave_one_out: tuple[tuple[float, ...], ...]
    in_turn: bool = False

    def __post_init__(self) -> None:
        costs = len(costs_of(self.steps))
        if any(len(row) != costs for row in self.leave_one_out):
            raise ValueError(f"leave_one_out: its steps have {costs} costs, and so has each row")
        if not self.scatter or min(users for users, *_ in self.scatter) < 1:
            raise ValueError("scatter: give a row for each number of users, which come first")

    def scatter_at(self, users: float) -> Array:
        """That of a load with so many users at a time: TTFT, time per token, tokens/s."""
        numbers, *kinds = np.array(sorted(self.scatter)).T
        return np.array([np.interp(np.log(users), np.log(numbers), kind) for kind in kinds])


def write_twin(path: Path, twin: Twin) -> None:
    """Write the twin as TOML."""
    lines = ["# A simulated engine fitted by `llmbench fit`; docs/twin.md says what the keys mean."]
    tables = []
    for key, value in msgspec.to_builtins(twin).items():
        if isinstance(value, dict):
            known = {name: one for name, one in value.items() if one is not None}
            tables += ["", f"[{key}]", *(_pair(*item) for item in known.items())]
        else:
            lines.append(_pair(key, value))
    path.write_text("\n".join((*lines, *tables)) + "\n", encoding="utf-8")


def _pair(key: str, value: Any) -> str:
    """A key and its value; JSON's texts, numbers and lists are TOML's too."""
    return f"{key} = {msgspec.json.encode(value).decode()}"


def load_twin(path: Path) -> Twin:
    """The twin in a file; `ConfigError` where it is none."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Twin)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: not a twin: {error}; llmbench fit RUN makes one") from error
