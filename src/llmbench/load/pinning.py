"""Keeps a thread to given cores."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pinned(cores: tuple[int, ...]) -> Iterator[None]:
    """This thread on `cores` for as long as it lasts; where the system can't, nothing."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
