"""Shows how far a build has got: as a bar on a terminal, elsewhere as a line every few seconds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from llmbench.prompts.prompt_files import Say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_LINE_EVERY_S = 5.0


class BuildProgress:
    """A context in which `show` tells the user how far it is."""

    def __init__(self, title: str, say: Say) -> None:
        self._title = title
        self._say = say
        self._bar: Bar | None = None
        self._next_line_s = time.monotonic() + _LINE_EVERY_S

    def __enter__(self) -> BuildProgress:
        if sys.stderr.isatty():
            self._bar = _bar(self._title)
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, share: float | None, prompts: int) -> None:
        """Show that `share` of the source (None: not known) has been read, `prompts` counted."""
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, total=None if share is None else 1.0, completed=share or 0.0)
            self._bar.update(task, prompts=prompts)
        elif time.monotonic() >= self._next_line_s:
            part = "" if share is None else f"{share:.0%}, "
            self._say(f"{self._title}: {part}{prompts:,} counted")
            self._next_line_s = time.monotonic() + _LINE_EVERY_S


def _bar(title: str) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[prompts]:,} counted"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.add_task(title, total=None, prompts=0)
    return bar
