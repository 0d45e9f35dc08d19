"""Counts how far a cell has come, for whoever watches it run."""

from msgspec import Struct


class Progress(Struct, frozen=True):
    """Counts since the cell began, warm-up included; `total` is None when it isn't known."""

    sent: int
    done: int
    failed: int
    output_tokens: int
    total: int | None
    in_flight: int
    elapsed_s: float
    users: int
    steps_held: int = 0  # of a ramp
    step_rate_per_s: float = 0.0  # requests/s in the last of them


NO_PROGRESS = Progress(0, 0, 0, 0, None, 0, 0.0, 0)


class Counts:
    """The counts of a `Progress` while they change."""

    __slots__ = (
        "dropped",
        "failed",
        "in_flight",
        "output_tokens",
        "sent",
        "settled",
        "step_rate_per_s",
        "steps_held",
        "users",
    )

    def __init__(self) -> None:
        self.sent = self.settled = self.failed = self.dropped = 0
        self.output_tokens = self.in_flight = self.users = self.steps_held = 0
        self.step_rate_per_s = 0.0

    def at(self, elapsed_s: float, total: int | None) -> Progress:
        """These counts as a `Progress`."""
        return Progress(
            self.sent,
            self.settled,
            self.failed,
            self.output_tokens,
            total,
            self.in_flight,
            elapsed_s,
            self.users,
            self.steps_held,
            self.step_rate_per_s,
        )
