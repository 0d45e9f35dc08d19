"""Holds GPUs, so that two sessions on one host never measure on the same one."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from llmbench.servers.gpus.nvml import Gpu
from llmbench.servers.gpus.picking import candidates
from llmbench.servers.running import LaunchError


@contextmanager
def held_gpus(
    name: str, wanted: int | Sequence[str], say: Callable[[str], None]
) -> Iterator[tuple[Gpu, ...]]:
    """The GPUs of the model `name`, which no other session has while the context is open.

    Of a number those that are free are taken. `say` is told which are not; `LaunchError` says that
    too few are free.
    """
    count = wanted if isinstance(wanted, int) else len(wanted)
    with ExitStack() as stack:
        mine: list[Gpu] = []
        used: list[str] = []
        for gpu in candidates(wanted):
            if len(mine) == count:
                break
            holder = _hold_whole(gpu, stack) or _hold(gpu.id, stack)
            if holder is None:
                mine.append(gpu)
            else:
                used.append(f"GPU {gpu.name} is used by another session ({holder})")
        if len(mine) < count:
            raise LaunchError(
                name,
                f"needs {count} GPU{'s' * (count > 1)}, {len(mine)} free: {', '.join(used)}",
                hint="wait until it has ended, or name other GPUs in server.gpus",
            )
        if used:
            numbers = ", ".join(gpu.name for gpu in mine)
            say(f"{name}: {', '.join(used)}: measuring on {numbers}")
        yield tuple(mine)


def _hold_whole(gpu: Gpu, stack: ExitStack) -> str | None:
    """Share the lock of the GPU that an instance is a part of; or who has all of it."""
    return None if gpu.whole is None else _hold(gpu.whole, stack, fcntl.LOCK_SH)


def _hold(gpu_id: str, stack: ExitStack, kind: int = fcntl.LOCK_EX) -> str | None:
    """Lock a GPU until `stack` is closed; or who has it.

    The kernel frees the lock of a process that ends, however it ends. The file stays: removing it
    would let two processes lock two files of the same name.
    """
    path = Path(tempfile.gettempdir()) / f"llmbench-gpu-{gpu_id.replace('/', '-')}.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except PermissionError:  # another user's: it can be locked, but not written to
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    stack.callback(os.close, handle)
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, 64, 0).decode("ascii", "replace") or "of another user"
    with suppress(OSError):
        os.truncate(handle, 0)
        os.pwrite(handle, f"pid {os.getpid()}".encode(), 0)
    return None
