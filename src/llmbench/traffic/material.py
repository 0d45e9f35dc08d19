"""What traffic sends: made once, and then dealt to the workers."""

from msgspec import Struct


class Script(Struct, frozen=True, gc=False):
    """A conversation as its source has it: what its user says, and the answers if it has any."""

    messages: tuple[str, ...]
    tokens: tuple[int, ...]  # of each
    answers: tuple[str, ...] = ()


class Scripts(Struct, frozen=True, tag=True):
    """Conversations to be had, all with the same system prompt."""

    scripts: tuple[Script, ...]
    system: str = ""
    system_tokens: int = 0
    context_tokens: int | None = None
    synthetic: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """What tells one conversation from another."""
        return tuple(script.messages[0] for script in self.scripts)


class Prefixes(Struct, frozen=True, tag=True):
    """The prefixes of the groups, one more for the warm-up, and the suffixes for all of them."""

    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    synthetic: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """What tells one request from another; prefixes are new in each repeat."""
        return self.suffixes


class ReplayedBody(Struct, frozen=True, gc=False):
    """The JSON object of a request that is replayed; its messages or its prompt, and more."""

    json: bytes
    output_tokens: int
    at_s: float | None = None  # after the first one


class Bodies(Struct, frozen=True, tag=True):
    """Requests to be replayed, all of them chats or all of them completions."""

    bodies: tuple[ReplayedBody, ...]
    chat: bool = True
    synthetic: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """What tells one request from another."""
        return tuple(body.json.decode() for body in self.bodies)


Material = Scripts | Prefixes | Bodies


def times_s(material: Material | None) -> tuple[float, ...]:
    """When replayed requests are due, in seconds after the first; empty where nothing says so."""
    if not isinstance(material, Bodies):
        return ()
    return tuple(body.at_s for body in material.bodies if body.at_s is not None)
