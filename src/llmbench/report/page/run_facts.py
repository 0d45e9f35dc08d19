"""What the page says about the run as a whole: when and where it ran, and whether it ended well."""

import shlex
from datetime import UTC, datetime

from msgspec import Struct

from llmbench.report.numbers import number, plural, size
from llmbench.report.page.details import whole_command
from llmbench.report.read import RunData
from llmbench.verdict import Verdict


class Chip(Struct, frozen=True):
    """A word in a small box beside the title."""

    text: str
    kind: str


class Banner(Struct, frozen=True):
    """Something that must be known before any number of the run is used."""

    kind: str
    title: str
    text: str


def chips(data: RunData) -> list[Chip]:
    """Words for a simulated run, one that did not end, and real or synthetic prompts."""
    words = []
    if len(data.cells) and data.cells["simulated"].any():
        words.append(Chip("SIMULATED", "simulated"))
    if data.killed:
        words.append(Chip("DID NOT END", "bad"))
    words += [Chip(f"{kind} prompts", "plain") for kind in _prompt_kinds(data)]
    return words


def _prompt_kinds(data: RunData) -> list[str]:
    kinds = {
        str(p.get("kind", "unknown")) for p in data.info.prompts.values() if isinstance(p, dict)
    }
    return sorted(kinds)


def banners(data: RunData) -> list[Banner]:
    """The warnings that stand above everything else."""
    warnings = []
    if data.killed:
        warnings.append(Banner("bad", "This run did not end by itself.", _partial(data)))
    if data.merged.empty and not data.killed:
        text = "No cell ran. pytest benchmarks --collect-only shows which there are."
        warnings.append(Banner("", "Nothing was measured.", text))
    elif len(data.merged) and not data.merged["succeeded"].sum():
        kinds = {f.kind for some in data.failures.values() for f in some}
        text = (
            f"Kinds of failure: {', '.join(sorted(kinds))}. A click on a cell shows their"
            " messages and the server's log."
        )
        warnings.append(Banner("bad", "Every request failed.", text))
    return warnings


def verdict_banner(verdict: Verdict | None) -> list[Banner]:
    """A sentence that says how the run compares with its baseline."""
    if verdict is None:
        return []
    title = f"{verdict.state} against the baseline {verdict.baseline}."
    lines = [
        f"{c.cell} {c.metric}: {c.change:+.1%} (limit {c.limit:+.0%})" for c in verdict.regressions
    ]
    lines += [fault.message for fault in verdict.faults]
    lines += verdict.differences if verdict.refused else ()
    if not lines:
        gating = [c for c in verdict.comparisons if c.gating]
        lines = [f"{plural(len(gating), 'comparison')}, no regression"]
    rest = f"; and {len(lines) - 6} more" if len(lines) > 6 else ""
    return [Banner("bad" if verdict.failed else "", title, "; ".join(lines[:6]) + rest + ".")]


def _partial(data: RunData) -> str:
    ended = len(data.merged) - len(data.unfinished)
    text = f"{plural(ended, 'cell')} ended and can be used as far as their own verdict says."
    for cell, count in data.unfinished.items():
        text += f" {cell} was under way: {plural(count, 'request')} of it are in the files."
    return text


def facts(data: RunData) -> list[str]:
    """The parts of the line under the title."""
    info = data.info
    started = _time(info.started_ns)
    requests = int(data.merged["requests"].sum()) if len(data.merged) else 0
    host = info.host
    lines = [
        f"{started} UTC{_lasted(data)}",
        f"{plural(len(data.merged), 'cell')}, {plural(requests, 'request')}",
        f"{host.get('hostname', 'unknown host')}: {host.get('cpu', 'unknown CPU')},"
        f" {host.get('cores', '?')} cores, {size(host.get('memory_bytes'))}",
    ]
    if info.git_commit:
        lines.append(f"commit {info.git_commit[:10]}{' + changes' if info.git_dirty else ''}")
    return lines


def _lasted(data: RunData) -> str:
    if data.info.ended_ns is None:
        return ""
    minutes = (data.info.ended_ns - data.info.started_ns) / 60e9
    return f", {number(minutes, 2)} min" if minutes >= 1 else f", {number(minutes * 60, 2)} s"


def _time(instant_ns: int) -> str:
    return f"{datetime.fromtimestamp(instant_ns / 1e9, UTC):%Y-%m-%d %H:%M}"


def meta(data: RunData) -> list[tuple[str, str]]:
    """The facts at the end of the page, with which the run can be repeated."""
    info = data.info
    lines = [
        ("command", shlex.join(whole_command(info))),
        ("host", str(info.host.get("hostname", "unknown"))),
        ("seed", str(info.seed)),
        ("harness", f"pytest-llmbench {info.harness}, measuring version {info.measuring_version}"),
        (
            "commit",
            f"{info.git_commit or 'no repository'}{' with changes' if info.git_dirty else ''}",
        ),
    ]
    for tokenizer, prompts in info.prompts.items():
        pairs = prompts.items() if isinstance(prompts, dict) else [("", prompts)]
        lines.append((f"prompts ({tokenizer})", ", ".join(f"{k} {v}" for k, v in pairs)))
    for model in info.models:
        if model.price:
            lines.append(
                (
                    f"price of {model.name}",
                    f"{model.price.region}, {model.price.date}, {model.price.source}",
                )
            )
    lines.append(("packages", ", ".join(f"{k} {v}" for k, v in info.packages.items())))
    unreadable = data.run.unreadable_note()
    notes = [*info.notes, *([] if unreadable is None else [unreadable])]
    return lines + [("note", note) for note in notes]
