"""The record of what was seen on the wire of one request."""

from collections.abc import Callable
from time import monotonic_ns

from llmbench.clock import offset_ns
from llmbench.records import ErrorKind

Failure = tuple[ErrorKind, str]


Watch = Callable[["Exchange"], str | None]
"""Says with which words the client hangs up on an exchange now; None while it reads on."""


class Exchange:
    """What was seen on the wire of one request, raw and stamped, but not yet understood.

    `reads` has for each read the kernel's stamp (raw, empty where there was none), the
    reader's own on the monotonic clock, and how many of `chunks` had come by then. `polled_ns`
    is a moment at which the socket was seen empty before the last read; 0: not known.
    """

    __slots__ = (
        "chunks",
        "connect_ns",
        "done_ns",
        "failure",
        "headers",
        "offset_done_ns",
        "offset_sent_ns",
        "paused_ns",
        "polled_ns",
        "reads",
        "replica",
        "resent",
        "scheduled_ns",
        "seen_ns",
        "sent_ns",
        "status",
        "watch",
    )

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.reads: list[tuple[bytes, int, int]] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.status: int | None = None
        self.failure: Failure | None = None
        self.connect_ns: int | None = None
        self.scheduled_ns = 0
        self.sent_ns: int | None = None
        self.replica = 0  # the instance that it is sent to
        self.resent = 0  # times that the request never reached the server and was sent again
        self.done_ns = 0
        self.offset_sent_ns = 0
        self.offset_done_ns = 0
        self.paused_ns: int | None = None  # duration of its user's pause before it
        self.polled_ns = 0
        self.seen_ns: int | None = None  # last token that a time-out check has found
        self.watch: Watch | None = None  # asked after each read

    def finish(self, failure: Failure | None = None) -> None:
        """Note that the exchange is over now."""
        self.failure = self.failure or failure
        self.done_ns = monotonic_ns()
        self.offset_done_ns = offset_ns()
