"""Draws the charts of a run with a second process, where there is a second core.

The process loads its libraries while this one still reads the run. Run as ``python -m`` it takes
the run as a pickle on its standard input, then the places of charts in the gallery, and answers
each with a picture on its standard output. Whichever process is free takes the next chart.
"""

import gc
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from llmbench.report.page.pictures import Picture, picture
from llmbench.report.read import RunData
from llmbench.verdict import Verdict

Process = subprocess.Popen[bytes]

GONE = OSError, EOFError, ValueError, pickle.UnpicklingError
"""How a pipe is found to be closed at the other end, in the midst of an answer, or here."""


class SharedDrawing:
    """The charts of a run while both processes draw them."""

    def __init__(self, data: RunData, verdict: Verdict | None, process: Process | None) -> None:
        from llmbench.report.charts.gallery import gallery

        self._run, self._verdict, self._process = data, verdict, process
        self._drawings = list(gallery(data, verdict))
        self._left = deque(range(len(self._drawings)))
        self._drawn: dict[int, Picture | None] = {}
        self._second = Thread(target=self._draw_there, name="second drawer", daemon=True)
        self._second.start()

    def pictures(self) -> list[Picture]:
        """All charts of the run, in the gallery's order; those that are left are drawn here."""
        self._draw_here(self._left)
        self._second.join()
        self._draw_here(deque(k for k in range(len(self._drawings)) if k not in self._drawn))
        return [shown for _, shown in sorted(self._drawn.items()) if shown is not None]

    def _draw_here(self, places: deque[int]) -> None:
        while (place := _next(places)) is not None:
            self._drawn[place] = picture(self._drawings[place], self._run.run.charts)

    def _draw_there(self) -> None:
        """Let the process draw for as long as charts are left and it lives.

        It is killed, and its pipes are closed, where the report is interrupted.
        """
        if self._process is None:
            return
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(*GONE), self._process.stdin as work:
            pickle.dump((self._run, self._verdict), work)
            while (place := _next(self._left)) is not None:
                pickle.dump(place, work)
                work.flush()
                self._drawn[place] = pickle.load(self._process.stdout)


def _next(places: deque[int]) -> int | None:
    try:
        return places.popleft()
    except IndexError:
        return None


class SecondDrawer:
    """The process, which is given its work once; without one, this process draws everything."""

    def __init__(self, process: Process | None) -> None:
        self._process = process

    def begin(self, data: RunData, verdict: Verdict | None) -> SharedDrawing:
        """Begin to draw the charts of a run, while this process does something else."""
        return SharedDrawing(data, verdict, self._process)


@contextmanager
def second_drawer() -> Iterator[SecondDrawer]:
    """A process that draws, for as long as the context is open, if there is a core for it."""
    if _cores() < 2:
        yield SecondDrawer(None)
        return
    command = [sys.executable, "-m", __name__]
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet) as process:
        try:
            yield SecondDrawer(process)
        finally:
            process.kill()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """The second process: load the libraries, wait for the run, and draw what it is asked for."""
    import matplotlib.figure
    import pandas
    import seaborn

    from llmbench.report.charts.gallery import gallery

    del matplotlib, pandas, seaborn
    gc.disable()  # it would take a fifth of the time, and the process ends soon
    work, answers = sys.stdin.buffer, sys.stdout.buffer
    run: tuple[RunData, Verdict | None] = pickle.load(work)
    drawings = list(gallery(*run))
    with suppress(EOFError):
        while True:
            pickle.dump(picture(drawings[pickle.load(work)], run[0].run.charts), answers)
            answers.flush()


if __name__ == "__main__":
    main()
