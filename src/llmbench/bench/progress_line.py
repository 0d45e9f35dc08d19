"""Shows the progress of a load: as a live line on a terminal, as plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from llmbench.load import Progress

PLAIN_PERIOD_S = 10.0


def describe(progress: Progress) -> str:
    """``12/40 requests, 0 failed, 8 users, 310 tokens/s, 00:07 left``."""
    total = "?" if progress.total is None else str(progress.total)
    elapsed_s = max(progress.elapsed_s, 1e-9)
    parts = [
        f"{progress.done}/{total} requests",
        f"{progress.failed} failed",
        f"{progress.users} users",
        f"{progress.output_tokens / elapsed_s:.0f} tokens/s",
    ]
    if progress.total and progress.done:
        left_s = elapsed_s * (progress.total - progress.done) / progress.done
        parts.append(f"{int(left_s) // 60:02d}:{int(left_s) % 60:02d} left")
    return ", ".join(parts)


@contextmanager
def shown(out: TextIO, title: str) -> Iterator[Callable[[Progress], None]]:
    """A function to call with each `Progress` of the cell called `title`."""
    if out.isatty():
        with _live(out, title) as update:
            yield update
    else:
        yield _plain(out, title)


@contextmanager
def _live(out: TextIO, title: str) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.live import Live

    with Live(
        console=Console(file=out, highlight=False), auto_refresh=False, transient=True
    ) as live:
        yield lambda progress: live.update(f"{title}: {describe(progress)}", refresh=True)


def _plain(out: TextIO, title: str) -> Callable[[Progress], None]:
    last_s = time.monotonic()

    def update(progress: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= PLAIN_PERIOD_S:
            last_s = time.monotonic()
            print(f"{title}: {describe(progress)}", file=out, flush=True)

    return update
