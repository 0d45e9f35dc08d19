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


class PromptsOfLength(Struct, frozen=True, tag=True):
    """Prompts of one length, and the tokens that each has."""

    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    synthetic: bool = False


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


PlainMaterial = PromptsOfLength | Scripts | Prefixes | Bodies


class Mixed(Struct, frozen=True, tag=True):
    """What each class of a mix sends."""

    parts: tuple[PlainMaterial, ...]

    @property
    def synthetic(self) -> bool:
        """Whether any class sends what was made up."""
        return any(part.synthetic for part in self.parts)

    @property
    def texts(self) -> tuple[str, ...]:
        """What tells one request from another, class after class."""
        return tuple(text for part in self.parts for text in part.texts)


Material = PlainMaterial | Mixed


def speaks_chat(material: Material | None) -> bool | None:
    """Whether it takes a chat endpoint; None where any endpoint will do."""
    if isinstance(material, Mixed):
        wanted = {speaks_chat(part) for part in material.parts} - {None}
        return True in wanted if wanted else None
    if isinstance(material, Bodies):
        return material.chat
    return True if isinstance(material, Scripts) else None


def times_s(material: Material | None) -> tuple[float, ...]:
    """When replayed requests are due, in seconds after the first; empty where nothing says so."""
    if not isinstance(material, Bodies):
        return ()
    return tuple(body.at_s for body in material.bodies if body.at_s is not None)
