"""The JSON Schemas of the files that other programs read, made from the types that write them."""

from typing import Any, get_args

import msgspec

from llmbench.store import RunInfo
from llmbench.verdict.gate.samples.baselines import Sample
from llmbench.verdict.gate.verdicts import State, Verdict

VERSION = "v1"
"""Raised when a file that was valid no longer is; fields that are added don't raise it."""

SCHEMAS: dict[str, tuple[type[msgspec.Struct], str]] = {
    "run": (RunInfo, "run.json of a run"),
    "baseline": (Sample, "a stored baseline"),
    "comparison": (Verdict, "verdict.json of a run, and llmbench compare --format json"),
}
"""For each schema the type of the file's contents, and which file that is."""


def schema(name: str) -> bytes:
    """The JSON Schema (2020-12) called `name`, one of `SCHEMAS`, as the text of a file."""
    contents, title = SCHEMAS[name]
    made: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:pytest-llmbench:{name}:{VERSION}",
        "title": title,
    }
    made |= msgspec.json.schema(contents)
    types = made["$defs"]
    for described in types.values():
        described.pop("additionalProperties", None)  # a newer version may add some
    if contents is Verdict:
        whole = types[Verdict.__name__]
        whole["properties"] |= {
            "state": {"enum": sorted(get_args(State))},
            "failed": {"type": "boolean"},
        }
        whole["required"] += ["state", "failed"]
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"
