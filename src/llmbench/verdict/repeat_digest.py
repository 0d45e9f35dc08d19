"""A judged repeat of a cell as one small file: all that is shown, compared and replayed of it.

It is made once, when the repeat ends, and again from the journal by ``llmbench report``.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

import msgspec
from msgspec import Struct, structs

from llmbench.metrics import RequestsDigest
from llmbench.records import CellRun
from llmbench.results import CellResult
from llmbench.store import RunDir, replace_file
from llmbench.verdict.begun import Begun


@cache
def harness() -> str:
    """The version of pytest-llmbench whose formulas and rules make digests now."""
    try:
        return version("pytest-llmbench")
    except PackageNotFoundError:
        return "unknown"


class RepeatDigest(Struct, frozen=True):
    """A repeat of a cell, its verdict, and what is kept of its requests."""

    run: CellRun
    result: CellResult
    requests: RequestsDigest
    harness: str  # version of pytest-llmbench that made it


def keep_digest(run_dir: RunDir, digest: RepeatDigest) -> None:
    """Write ``digests/<cell>/<repeat>.json``."""
    path = run_dir.digest_file(digest.run.cell_id, digest.run.repeat)
    replace_file(path, msgspec.json.encode(digest) + b"\n")


def kept_digest(run_dir: RunDir, repeat: Begun) -> RepeatDigest | None:
    """The digest of a repeat; None where there is none, or one that has to be made again.

    That is one by another version of pytest-llmbench, and one made before the repeat had ended.
    """
    path = run_dir.digest_file(repeat.run.cell_id, repeat.run.repeat)
    try:
        digest = msgspec.json.decode(path.read_bytes(), type=RepeatDigest)
    except (OSError, msgspec.MsgspecError):
        return None
    told = repeat.run
    if not repeat.ended:
        told = structs.replace(told, ended_ns=digest.run.ended_ns)
    return digest if (digest.run, digest.harness) == (told, harness()) else None
