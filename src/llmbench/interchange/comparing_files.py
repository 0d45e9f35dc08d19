"""Compares files of other tools by the gate that compares runs, or stores them as a baseline."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from llmbench.config import ConfigError
from llmbench.interchange.loads import check_sides
from llmbench.interchange.sides import sample_of_files
from llmbench.interchange.tools import read_document, tool_called
from llmbench.store import run_at
from llmbench.verdict import (
    Inconclusive,
    Sample,
    Verdict,
    compare_samples,
    is_baseline,
    policy_of,
    sample_at,
    store_baseline,
)


def compare_sides(
    old: Sequence[Path],
    new: Sequence[Path],
    *,
    tolerance: str | None = None,
    anyway: bool = False,
    inconclusive: Inconclusive = "pass",
    host_allowance: str | None = None,
    launch_allowance: str | None = None,
    launch_per_file: bool = False,
) -> Verdict:
    """Compare `new` with `old`, each of them a run, a stored baseline, or the files of a tool.

    `ConfigError` for files that can't be read or believed, and for two loads.
    """
    before, now = side(old, launch_per_file), side(new, launch_per_file)
    tool = tool_called(before.fingerprint.get("tool"))
    if tool is not None and tool == tool_called(now.fingerprint.get("tool")):
        check_sides(now, before)
    policy = policy_of(host_allowance, launch_allowance)
    verdict = compare_samples(before, now, tolerance, anyway, inconclusive, policy)
    if tool is None or verdict.refused:
        return verdict
    return structs.replace(verdict, notes=(*verdict.notes, tool.definition))


def import_files(
    files: Sequence[Path], folder: Path, name: str, *, launch_per_file: bool = False
) -> Path:
    """Store files of one tool as the baseline `name` of `folder`, and return its path."""
    sample = sample_of_files(files, launch_per_file=launch_per_file)
    return store_baseline(folder, structs.replace(sample, name=name))


def side(paths: Sequence[Path], launch_per_file: bool) -> Sample:
    """One side of a comparison: one run, one stored baseline, or the files of another tool."""
    for path in paths:
        if run_at(path).is_dir() or is_baseline(read_document(path)):
            if len(paths) > 1:
                raise ConfigError(f"{path}: has its repeats in it; give it alone for its side")
            return sample_at(path)
    return sample_of_files(paths, launch_per_file=launch_per_file)
