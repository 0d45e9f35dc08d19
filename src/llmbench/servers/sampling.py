"""Samples a running server's CPU and memory about once a second and labels each with its cell."""

import threading
from collections.abc import Callable

import msgspec

from llmbench.records import ResourceSample
from llmbench.servers.running import RunningServer


class Sampler:
    """Samples `server` every `period_s` in a thread of its own and hands each sample to `sink`.

    `tag` names the cell that runs from now on; what was used before is credited to the last tag.
    `stop` takes a last sample. The sampler is also a context manager, which stops it.
    """

    def __init__(
        self,
        server: RunningServer,
        sink: Callable[[ResourceSample], None],
        period_s: float = 1.0,
    ) -> None:
        self._server = server
        self._sink = sink
        self._period_s = period_s
        self._cell: str | None = None
        self._repeat: int | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llmbench-sampler", daemon=True)
        self._thread.start()

    def tag(self, cell_id: str | None, repeat: int | None = None) -> None:
        """From now on samples belong to that repeat of that cell (None: to no cell)."""
        with self._lock:
            self._take()
            self._cell, self._repeat = cell_id, repeat

    def stop(self) -> None:
        """Take the last sample and end the thread; a second call does nothing."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            with self._lock:
                self._take()

    def __enter__(self) -> "Sampler":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._ended.wait(self._period_s):
            with self._lock:
                self._take()

    def _take(self) -> None:
        sample = self._server.sample()
        if sample is not None:
            self._sink(msgspec.structs.replace(sample, cell=self._cell, repeat=self._repeat))
