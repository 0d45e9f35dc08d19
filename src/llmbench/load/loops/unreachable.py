"""Notices that nothing listens any more where the server was."""

from time import monotonic

from llmbench.records import RequestRecord

GONE_S = 15.0
"""A server to which no connection was made for so long won't be back within a cell."""
FEWEST = 5  # attempts in that time


class Unreachable:
    """Counts the requests in a row for which no connection could be made."""

    def __init__(self) -> None:
        self._failures = 0
        self._since_s = 0.0
        self._last = ""

    def count(self, record: RequestRecord) -> None:
        """Note how one more request ended."""
        if record.error_kind not in ("refused", "connect_timeout"):
            self._failures = 0
            return
        if not self._failures:
            self._since_s = monotonic()
        self._failures += 1
        self._last = record.error or record.error_kind

    def why(self) -> str | None:
        """Why the server is taken for gone; None while it isn't."""
        for_s = monotonic() - self._since_s
        if self._failures < FEWEST or for_s < GONE_S:
            return None
        return f"no connection for {for_s:.0f} s: {self._last}"
