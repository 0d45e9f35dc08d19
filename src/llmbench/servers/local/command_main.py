"""The process between the harness and a server's command, which ends all that the command starts.

Engines start processes of their own, in sessions of their own, and some outlive the one that
started them. This process adopts the orphans among them (a subreaper, prctl(2)); it gets SIGTERM
when the harness ends, even by ``kill -9``, and then ends all of them.
"""

import os
import signal
import subprocess
import sys
from functools import partial
from types import FrameType

import msgspec
from msgspec import Struct

from llmbench.process import adopt_orphans, announce, begin_child, die_with_parent, end_all, pin


class CommandSettings(Struct, frozen=True):
    """A command without placeholders; `settings` are variables of its environment."""

    command: tuple[str, ...]
    settings: dict[str, str]
    port: int
    cores: tuple[int, ...]


def main(argv: list[str]) -> int:
    """Run the command until it ends or this process is told to end; return its exit code."""
    signal.signal(signal.SIGTERM, _stop)
    text, writer = begin_child(argv, signal.SIGTERM)
    settings = msgspec.json.decode(text, type=CommandSettings)
    adopt_orphans()
    pin(settings.cores)
    try:
        running = subprocess.Popen(
            settings.command,
            env=os.environ | settings.settings,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # signals to our group are meant for this process alone
            preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 (no threads)
        )
    except OSError as error:
        print(f"{settings.command[0]}: can't be started: {error.strerror}", flush=True)
        return 127
    announce(writer, settings.port)
    try:
        return running.wait()
    except _Stopped:
        return 0
    finally:
        end_all()


class _Stopped(Exception):
    """This process was told to end."""


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
