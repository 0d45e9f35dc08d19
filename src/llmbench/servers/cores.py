"""Which cores the server gets and which are left to the load generator."""

import math
import os

from msgspec import Struct


class CoreSplit(Struct, frozen=True):
    """Core numbers for the server and for the client; `note` says when they overlap."""

    server: tuple[int, ...]
    client: tuple[int, ...]
    note: str | None = None


def usable_cores() -> tuple[int, ...]:
    """The cores that this process may run on, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def split_cores(wanted: float | None, usable: tuple[int, ...] | None = None) -> CoreSplit:
    """The first `wanted` cores (rounded up) for the server, the others for the client.

    ``None`` leaves the client one core and gives the server all others. Where the server takes
    all, the client shares the last one and `note` says so.
    """
    cores = usable_cores() if usable is None else usable
    count = len(cores)
    server = max(1, count - 1) if wanted is None else min(max(1, math.ceil(wanted)), count)
    if server < count:
        return CoreSplit(cores[:server], cores[server:])
    note = (
        f"the server has all {count} usable core{'s' if count > 1 else ''}: the load generator "
        f"shares core {cores[-1]} with it, so client and server slow each other down"
    )
    return CoreSplit(cores, cores[-1:], note)
