"""The audit of a run, from its directory or from a ZIP of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

import msgspec
from msgspec import Struct

from llmbench.audit.consistency import inconsistencies
from llmbench.audit.redrawing import contradictions, values_differ
from llmbench.audit.run_manifest import changes
from llmbench.config import ConfigError
from llmbench.store import RunDir
from llmbench.verdict import harness, read_baseline, sample_of

CHECKED = (
    "requests CSV and Parquet, cells.csv, resources.csv, digests and page against the journal; "
    "stamps, clocks, rules (Little's law and bounds among them), prompts and images; hashes"
)


class Audit(Struct, frozen=True):
    """What doesn't follow, or was changed; empty for a run whose files are as they came."""

    run: str
    findings: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The audit in words, its outcome first."""
        count = len(self.findings)
        plural = "" if count == 1 else "s"
        outcome = f"{count} finding{plural}" if count else f"all follows: {CHECKED}"
        return [f"{self.run}: {outcome}", *self.findings, *(f"note: {n}" for n in self.notes)]


def audit(path: Path, baseline: Path | None = None) -> Audit:
    """Check a run, and the `baseline` that was stored from it, against the run's journal.

    `ConfigError` where `path` is neither a run nor a ZIP of one.
    """
    with _opened(path) as run:
        info = run.info()
        notes = []
        if info.harness != harness():
            notes.append(
                f"made by pytest-llmbench {info.harness}, and audited by {harness()}: their "
                "formulas and files may differ"
            )
        findings = [*changes(run), *inconsistencies(run), *contradictions(run)]
        if baseline is not None:
            findings += _of_baseline(run, baseline)
        return Audit(run.path.resolve().name, tuple(dict.fromkeys(findings)), tuple(notes))


@contextmanager
def _opened(path: Path) -> Iterator[RunDir]:
    if path.suffix != ".zip":
        yield RunDir.open(path)
        return
    with TemporaryDirectory() as folder:
        try:
            with ZipFile(path) as archive:
                archive.extractall(folder)
        except (OSError, BadZipFile) as error:
            raise ConfigError(f"{path}: not a ZIP that can be read: {error}") from error
        found = sorted(Path(folder).rglob("run.json"))
        if len(found) != 1:
            raise ConfigError(f"{path}: {len(found)} runs in it, and one is audited")
        yield RunDir(found[0].parent)


def _of_baseline(run: RunDir, baseline: Path) -> Iterator[str]:
    stored, right = read_baseline(baseline), sample_of(run)
    for cell in dict.fromkeys((*right.cells, *stored.cells)):
        if cell not in stored.cells or cell not in right.cells:
            yield f"{baseline.name}: {cell}: on one side only"
        else:
            there, made = (msgspec.to_builtins(side.cells[cell]) for side in (stored, right))
            yield from values_differ(f"{baseline.name}: {cell}", there, made)
    for name in sorted({*stored.fingerprint, *right.fingerprint}):
        if stored.fingerprint.get(name) != right.fingerprint.get(name):
            yield f"{baseline.name}: fingerprint {name}: not the run's"
