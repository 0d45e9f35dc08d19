"""Packs a run to publish it: without secrets, host names or logs, and audited like any other."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from zipfile import ZIP_DEFLATED, ZipFile

from msgspec import Struct

from llmbench.audit.run_manifest import copy_sources, files_of, seal
from llmbench.config import ConfigError, RemoteServer
from llmbench.report import write_report
from llmbench.store import RunDir

SHORTEST_SECRET = 8
"""A shorter value of a variable is too likely to be a word of the run's own."""

LOOPBACK = frozenset(["127.0.0.1", "localhost", "::1"])
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_SECRETS = (
    re.compile(r"\b(?:hf_|sk-|ghp_|glpat-|xox[bap]-)[\w-]{16,}"),
    re.compile(r"(?<=Bearer )[\w.~+/=-]{8,}"),
)
_HOMES = re.compile(r"(?:/home|/Users)/[^/\"\s]+|/root(?=[/\"])")


class Replaced(Struct, frozen=True):
    """What is never published as it is, and what stands in its place."""

    what: str
    pattern: "re.Pattern[str]"
    instead: str


def pack(
    run: RunDir, file: Path, *, hosts: bool = False, logs: bool = False, prompts: bool = False
) -> list[str]:
    """Write a ZIP of a run, and return lines on what is in it and what is not.

    Host names, server logs and the prompts' texts are in it only where asked for; a run tells its
    prompts by hash. All figures are made again from what is packed, so that an audit of the ZIP
    finds nothing.
    """
    if file.exists():
        raise ConfigError(f"{file}: is there already; name another file with --out")
    with TemporaryDirectory() as folder:
        left_out = () if logs else ("logs",)
        copy = copy_sources(run, Path(folder) / run.path.resolve().name, left_out)
        counts = _redact(copy, [*_secrets(), *([] if hosts else _hosts(run))])
        write_report(copy, anew=True)
        if prompts:
            _add_prompts(run, copy)
        seal(copy)
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            for path in sorted(path for path in copy.path.rglob("*") if path.is_file()):
                archive.write(path, path.relative_to(folder))
        inside = [f"  {name} ({path.stat().st_size} bytes)" for name, path in files_of(copy)]
    choices = [] if logs else ["logs of servers: left out (--logs packs them)"]
    choices += [] if prompts else ["prompts: by hash only (--prompts packs them)"]
    choices += ["host names: packed as asked"] if hosts else []
    return [f"{file}:", *inside, *counts, *choices]


def _secrets() -> Iterator[Replaced]:
    """What looks like a key, and what variables of this host keep under such a name."""
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET:
            yield Replaced("secrets", re.compile(re.escape(value)), "(secret)")
    for pattern in _SECRETS:
        yield Replaced("secrets", pattern, "(secret)")


def _hosts(run: RunDir) -> Iterator[Replaced]:
    """The name of the host that measured, those of the servers, and the user's in paths."""
    info = run.info()
    names = {str(info.host.get("hostname", ""))}
    urls = [endpoint.base_url for r in run.cell_runs() for endpoint in r.endpoint.replicas]
    for model in info.models:
        if isinstance(model.server, RemoteServer):
            urls += [model.server.url, *model.server.replicas]
    names |= {urlsplit(url).hostname or "" for url in urls}
    for name in sorted(names - LOOPBACK - {""}, key=len, reverse=True):
        # The lookarounds keep a word of the run's own, as in a host called "server".
        plain = re.fullmatch(r"[A-Za-z]+", name)
        before, after = (r'(?<="hostname": ")|(?<=://)', r'(?=[":/])') if plain else (r"\b", r"\b")
        pattern = re.compile(f"(?:{before}){re.escape(name)}{after}")
        yield Replaced("host names", pattern, "host")
    yield Replaced("users' names in paths", _HOMES, "~")


def _redact(run: RunDir, replaced: Sequence[Replaced]) -> list[str]:
    """Replace it in all files; the lines say how often."""
    counts: dict[str, int] = {each.what: 0 for each in replaced}
    for _, path in files_of(run):
        text = before = path.read_text(encoding="utf-8", errors="surrogateescape")
        for each in replaced:
            text, count = each.pattern.subn(each.instead, text)
            counts[each.what] += count
        if text != before:
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return [f"{what}: {count} replaced" for what, count in counts.items()]


def _add_prompts(run: RunDir, copy: RunDir) -> None:
    for told in run.info().prompts.values():
        folder = Path(str(told.get("folder", "")))
        if not folder.is_dir():
            raise ConfigError(f"{folder}: the run's prompts are not there any more")
        shutil.copytree(folder, copy.path / "prompts" / folder.name, dirs_exist_ok=True)
