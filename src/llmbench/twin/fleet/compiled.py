"""Compiles the inner loops of a fleet by numba where that is installed, else interprets them."""

from collections.abc import Callable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def _is_there() -> bool:
    if find_spec("numba") is None:
        return False
    import numba

    return not bool(numba.config.DISABLE_JIT)


IS_COMPILED = _is_there()
"""Whether numba compiles; interpreted, lists are faster than arrays."""


def compiled(function: F) -> F:
    """Compile a function of numbers and arrays, once for each kind of its arguments."""
    if not IS_COMPILED:
        return function
    import numba

    made: F = numba.njit(function)
    return made


def compiled_and_kept(function: F) -> F:
    """Compile a function, with all that it calls, and keep it for the sessions to come.

    It is kept for these very sources: numba itself looks only at the file of the function.
    """
    if not IS_COMPILED:
        return function
    import numba

    before = numba.config.CACHE_DIR
    try:
        numba.config.CACHE_DIR = str(_folder())
        made: F = numba.njit(cache=True)(function)
    except (RuntimeError, OSError):  # there is no place to keep it
        made = numba.njit(function)
    finally:
        numba.config.CACHE_DIR = before
    return made


def _folder() -> Path:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:16]
    return Path.home() / ".cache" / "llmbench" / f"fleet-{digest}"
