"""A child process for tests: ``python -m tests.servers.children`` with a `Behaviour`."""

import signal
import sys
import time

import msgspec
from msgspec import Struct

from llmbench.process import announce, begin_child


class Behaviour(Struct, frozen=True):
    """What the child does: exits before it has a port, never has one, ignores SIGTERM."""

    exit_code: int | None = None
    announces: bool = True
    stubborn: bool = False


def main(argv: list[str]) -> None:
    text, writer = begin_child(argv)
    behaviour = msgspec.json.decode(text, type=Behaviour)
    print("I am up", flush=True)
    if behaviour.exit_code is not None:
        print("I give up", flush=True)
        sys.exit(behaviour.exit_code)
    if behaviour.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour.announces:
        announce(writer, 4711)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1:])
