"""Reads what a client left of one load, whichever tool it is: a file, or a run of ours."""

from pathlib import Path

from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.interchange.measurements import ToolMeasurement
from llmbench.interchange.readers.own_run import NAME, read_own_run
from llmbench.interchange.tools import read_tool_file
from llmbench.store import RunDir


class ClientResult(Struct, frozen=True):
    """What a client says of its only load."""

    tool: str
    version: str | None
    measurement: ToolMeasurement


def read_result(path: Path) -> ClientResult:
    """The only load of a file or of a run's directory.

    `ConfigError` with the path and the reason where it can't be read, or holds several loads.
    """
    if path.is_dir():
        tool, content = NAME, read_own_run(RunDir.open(path))
    else:
        known, content = read_tool_file(path)
        tool = known.name
    if len(content.measurements) != 1:
        raise ConfigError(f"{path}: {tool}: it holds {len(content.measurements)} loads, not one")
    return ClientResult(tool, content.version, content.measurements[0])
