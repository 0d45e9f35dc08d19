"""The rules on requests that failed, in the words of the server or the wire."""

from llmbench.metrics import UNSERVED
from llmbench.records import CellRun
from llmbench.results import CellSummary, Problem
from llmbench.verdict.rules import Rules


def no_success(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    """A cell without a success has no numbers."""
    if summary.succeeded:
        return None
    if not summary.requests:
        if run.server_died or run.launch_error:
            return None
        return Problem("no_requests", "no request was measured: ask for at least one")
    return Problem(
        "no_success",
        f"none of {requests_of(summary.requests)} succeeded ({_kinds(summary)}): {_words(summary)}"
        "see the errors in the cell's requests file and the server's log",
    )


def error_rate(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    """Too many failures, of which overload is no part: then the survivors' times mislead."""
    if not summary.succeeded or summary.error_rate <= rules.error_rate:
        return None
    others = sum(n for kind, n in summary.errors.items() if kind not in UNSERVED)
    if summary.overloaded and others <= rules.error_rate * summary.requests:
        return None
    return Problem(
        "error_rate",
        f"{summary.error_rate:.1%} of {requests_of(summary.requests)} failed ({_kinds(summary)}), "
        f"{_words(summary)}limit {rules.error_rate:.0%}: the times are of the survivors only; "
        "lower the load or see the server's log",
    )


def resent(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    """Too many requests that the server's end of a connection swallowed."""
    if summary.resent <= rules.resent_share * summary.requests:
        return None
    return Problem(
        "resent",
        f"{requests_of(summary.resent)} of {summary.requests} had to be sent again, limit "
        f"{rules.resent_share:.0%}: the server closed their connections unread; raise its "
        "keep-alive time, or see its log",
    )


def _kinds(summary: CellSummary) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in summary.errors.items())


def _words(summary: CellSummary) -> str:
    """The most common words of what failed, each with its count."""
    said = [f"{error.count} × “{error.words}”" for error in summary.common_errors]
    return ", ".join(said) + "; " if said else ""


def requests_of(count: int) -> str:
    """`count` requests, in words."""
    return f"{count} request{'' if count == 1 else 's'}"
