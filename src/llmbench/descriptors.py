"""How many connections a process may have open."""

import contextlib
import resource


def allow_many_connections() -> None:
    """Raise this process's limit of open files as far as it may be raised.

    Many systems begin with 1,024, which a thousand streams exceed.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a lower limit than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
