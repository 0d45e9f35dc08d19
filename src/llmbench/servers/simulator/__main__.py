"""The simulator as a child process of the harness."""

import gc
import sys

import msgspec

from llmbench.servers.child import announce, begin_child
from llmbench.servers.cores import pin
from llmbench.servers.simulator.server import Simulator, allow_many_connections
from llmbench.servers.simulator.settings import SimulatorSettings


def main(argv: list[str]) -> None:
    """Serve until ended."""
    text, writer = begin_child(argv)
    settings = msgspec.json.decode(text, type=SimulatorSettings)
    pin(settings.cores)
    allow_many_connections()
    simulator = Simulator(settings)
    announce(writer, simulator.port)
    gc.freeze()
    simulator.run()


if __name__ == "__main__":
    main(sys.argv[1:])
