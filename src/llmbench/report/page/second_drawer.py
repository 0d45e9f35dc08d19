"""Draws every other chart of a run in a process of its own, where there is a second core.

The process loads its libraries while this one still reads the run. Run as ``python -m`` it takes
the run as a pickle on its standard input, and answers with pictures on its standard output.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from llmbench.report.page.pictures import Picture, picture
from llmbench.report.read import RunData
from llmbench.verdict import Verdict

Numbered = dict[int, Picture]
"""Pictures by their charts' places in the gallery."""


class SecondDrawer:
    """The process, which is given its work once; without one, this process draws everything."""

    def __init__(self, process: "subprocess.Popen[bytes] | None") -> None:
        self._process = process

    def pictures(self, data: RunData, verdict: Verdict | None) -> list[Picture]:
        """All charts of the run, drawn by both processes."""
        if self._process is None or not self._give(data, verdict):
            return _in_order(_draw(data, verdict, 0, 1))
        own = _draw(data, verdict, 0, 2)
        return _in_order(own | (self._take() or _draw(data, verdict, 1, 2)))

    def _give(self, data: RunData, verdict: Verdict | None) -> bool:
        """Send the run to the process; False where it has ended."""
        assert self._process is not None
        try:
            with _pipe(self._process.stdin) as pipe:
                pickle.dump((data, verdict), pipe)
        except OSError:
            return False
        return True

    def _take(self) -> Numbered | None:
        """What the process has drawn; None where it ended before."""
        assert self._process is not None
        with _pipe(self._process.stdout) as pipe:
            answer = pipe.read()
        drawn: Numbered | None = pickle.loads(answer) if self._process.wait() == 0 else None
        return drawn


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


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _draw(data: RunData, verdict: Verdict | None, first: int, step: int) -> Numbered:
    """Draw each `step`-th chart from the `first` on."""
    from llmbench.report.charts.gallery import gallery

    drawings = list(enumerate(gallery(data, verdict)))[first::step]
    drawn = ((place, picture(draw, data.run.charts)) for place, draw in drawings)
    return {place: some for place, some in drawn if some is not None}


def _in_order(pictures: Numbered) -> list[Picture]:
    return [pictures[place] for place in sorted(pictures)]


def main() -> None:
    """The second process: load the libraries, wait for the run, and draw its part."""
    import matplotlib.figure
    import pandas
    import seaborn

    del matplotlib, pandas, seaborn
    work: tuple[RunData, Verdict | None] = pickle.load(sys.stdin.buffer)
    answer = pickle.dumps(_draw(*work, 1, 2))
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
