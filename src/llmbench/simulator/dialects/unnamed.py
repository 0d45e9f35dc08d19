"""What the dialects have in common whose events have no names."""

from llmbench.simulator.asked import Asked
from llmbench.simulator.manner import Manner


class Unnamed:
    """Sends no event before the one with the first token."""

    named = False

    def opening(self, asked: Asked, manner: Manner) -> list[bytes]:
        return []
