"""The stream that the user reads, past pytest's capturing of what tests print."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def users_terminal() -> Iterator[TextIO]:
    """A copy of standard output as it is now; enter it before pytest captures that.

    Where it has no file descriptor, as in a session inside of a test, it is taken itself.
    """
    try:
        copy = os.dup(sys.stdout.fileno())
    except (OSError, ValueError):
        yield sys.stdout
        return
    with os.fdopen(copy, "w", encoding=sys.stdout.encoding, errors="replace") as out:
        yield out
