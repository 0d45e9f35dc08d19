"""Puts a verdict into GitHub's workflow commands, which it shows as annotations of the job.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

import os
from collections.abc import Iterator
from itertools import islice

from llmbench.verdict import Verdict, headline, line

MOST = 10
"""GitHub shows no more errors of one step, and no more warnings."""


def annotations(verdict: Verdict) -> list[str]:
    """The lines that make annotations, errors first; none outside of GitHub Actions."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return []
    return [*_shown("error", _errors(verdict)), *_shown("warning", _warnings(verdict))]


def _errors(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Titles and messages of what makes the verdict red."""
    if verdict.refused:
        yield "REFUSED", "\n".join((headline(verdict), *verdict.differences))
    for row in () if verdict.refused else verdict.regressions:
        yield f"FAIL {row.cell} {row.metric}", line(row)
    for fault in verdict.faults:
        yield f"{fault.state} {fault.cell}", fault.message
    if verdict.state == "INCONCLUSIVE" and verdict.failed:
        yield "INCONCLUSIVE", headline(verdict)


def _warnings(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Titles and messages of what is not red, and should be looked at all the same."""
    for row in verdict.comparisons:
        if row.gating and row.state == "INCONCLUSIVE" and row.beyond:
            yield f"BEYOND THE LIMIT {row.cell} {row.metric}", line(row)
    if verdict.state == "INCONCLUSIVE" and not verdict.failed:
        yield "INCONCLUSIVE", headline(verdict)
    for text in verdict.warnings:
        yield "fingerprint", f"{text}: this may move the numbers"


def _shown(kind: str, told: Iterator[tuple[str, str]]) -> Iterator[str]:
    """At most `MOST` of one kind, of which the last then says how many there are beyond it."""
    first, more = list(islice(told, MOST)), sum(1 for _ in told)
    if more:
        first[-1] = ("more", f"{more + 1} more: see the job's summary, or the log")
    for title, message in first:
        yield f"::{kind} title={_property(f'llmbench: {title}')}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
