"""Says what became of the requests on which the client hung up, in words."""

from collections.abc import Iterator

from llmbench.results import CellSummary


def hang_ups_said(summary: CellSummary) -> Iterator[str]:
    """A sentence on how many there were, and whether the server let go of them; empty without."""
    if not summary.hung_up:
        return
    asked = summary.requests + summary.hung_up
    yield f"the client hung up on {summary.hung_up:,} of {asked:,} requests: {_whether(summary)}"


def _whether(summary: CellSummary) -> str:
    if summary.let_go is None:
        shows = ""
        if summary.slower_beside_orphans is not None:
            shows = f"; nothing shows that it went on: {_meanwhile(summary.slower_beside_orphans)}"
        return (
            "whether the server let go of them is not known, as no reading of its gauge tells (ask "
            f"for longer answers, or more requests){shows}"
        )
    if summary.let_go_by == "gauge":
        seen, expected = summary.orphans_seen or 0.0, summary.orphans_expected or 0.0
        proof = (
            f"in {summary.orphan_readings:,} readings its gauge showed {max(0.0, seen):.2g} "
            f"requests beyond those in flight, and would have shown {expected:.2g} if it had "
            "computed on"
        )
        if summary.let_go:
            return f"the server let go of them ({proof})"
        return f"the server did NOT let go of them: {proof}"
    slower = summary.slower_beside_orphans or 1.0
    return f"the server does NOT seem to have let go of them: {_meanwhile(slower)}"


def _meanwhile(slower: float) -> str:
    return (
        f"requests sent while their answers would have gone on took {slower - 1:+.0%} to the first "
        "token or for each"
    )
