"""Runs the simulator as a child process of the harness."""

import sys

import msgspec

from llmbench.process import announce, begin_child
from llmbench.simulator.server import Simulator, settle
from llmbench.simulator.simulator_settings import SimulatorSettings


def main(argv: list[str]) -> None:
    """Serve until this process is ended."""
    text, writer = begin_child(argv)
    settings = msgspec.json.decode(text, type=SimulatorSettings)
    settle(settings.cores)
    simulator = Simulator(settings)
    announce(writer, simulator.port)
    simulator.run()


if __name__ == "__main__":
    main(sys.argv[1:])
