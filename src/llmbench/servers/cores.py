"""Decides which cores the server gets and which are left to the load generator."""

import math
import os

from msgspec import Struct


class CoreSplit(Struct, frozen=True):
    """The server's core numbers and the client's; `note` says how that slows the client down."""

    server: tuple[int, ...]
    client: tuple[int, ...]
    note: str | None = None

    @property
    def apart(self) -> bool:
        """Whether client and server have no core in common."""
        return not set(self.server) & set(self.client)


def usable_cores() -> tuple[int, ...]:
    """The cores that this process may run on, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def split_cores(
    wanted: float | None, usable: tuple[int, ...] | None = None, *, workers: int = 1
) -> CoreSplit:
    """The first `wanted` cores (rounded up) for the server, the others for the client's `workers`.

    ``0`` means that the server is elsewhere, so all cores are for the client. ``None`` means that
    it has no limit: it gets all cores but one for each worker. Where the server takes all cores,
    the client shares the last one with it. `note` says so, and also says when workers share a core.
    """
    cores = usable_cores() if usable is None else usable
    count = len(cores)
    server = max(1, count - workers) if wanted is None else min(math.ceil(wanted), count)
    client = cores[server:] or cores[-1:]
    notes = []
    if server == count:
        notes.append(
            f"the server has all {count} usable core{'s' * (count > 1)}: the load generator shares "
            f"core {cores[-1]} with it, so client and server slow each other down"
        )
    if workers > len(client):
        notes.append(
            f"{workers} load generating processes share {len(client)} "
            f"core{'s' * (len(client) > 1)}: more than {len(client)} can't carry more load here"
        )
    return CoreSplit(cores[:server], client, "; ".join(notes) or None)
