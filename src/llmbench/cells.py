"""What is measured: a cell of the grid, the limits it runs under, and the shape of its load."""

from typing import ClassVar, Literal

from msgspec import Struct, structs

from llmbench.traffic import Cache, Traffic, converse
from llmbench.value_types import Images


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """The part of its host that a server may use; ``None`` leaves the model's own setting.

    Each of its `instances` may use as many cores and as much memory.
    """

    cores: float | None = None
    memory_bytes: int | None = None
    instances: int | None = None

    @property
    def suffix(self) -> str:
        """The part of a cell's id that names these limits; empty when there are none."""
        instances = "" if self.instances is None else f"-instances{self.instances}"
        cores = "" if self.cores is None else f"-cores{self.cores:g}"
        memory = "" if self.memory_bytes is None else f"-mem{format_bytes(self.memory_bytes)}"
        return instances + cores + memory

    @property
    def text(self) -> str:
        """The limits as a person says them: ``2 cores, 4 GiB``, ``3 x 2 cores``, ``no limits``."""
        words = []
        if self.cores is not None:
            words.append(f"{self.cores:g} core{'' if self.cores == 1 else 's'}")
        if self.memory_bytes is not None:
            gib = self.memory_bytes / 2**30
            words.append(f"{gib:g} GiB" if gib >= 1 else f"{1024 * gib:g} MiB")
        if self.instances is None:
            return ", ".join(words) or "no limits"
        if not words:
            return f"{self.instances} instance{'' if self.instances == 1 else 's'}"
        each = " each" if len(words) > 1 and self.instances > 1 else ""
        return f"{self.instances} x {', '.join(words)}{each}"


class Users(Struct, frozen=True, tag="users"):
    """Closed loop: each of `users` sends its next request when its last one has ended.

    The loop ends after `requests_per_user` measured requests or after `duration_s`, whichever is
    given (if both are, whichever comes first). `spawn_rate_per_s` spreads the start of the users
    (Locust's spawn rate); ``None`` starts all at once. With `cold` each repeat gets a server that
    is launched for it, and no warm-up. `depth` marks a point of the speed at depth.
    """

    users: int
    requests_per_user: int | None = 5
    duration_s: float | None = None
    spawn_rate_per_s: float | None = None
    cold: bool = False
    depth: bool = False
    is_trial: bool = False  # of a search: it ends as soon as its verdict is known
    is_open_loop: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        if self.depth:
            return "depth"
        return "cold" if self.cold else "users"

    @property
    def suffix(self) -> str:
        if self.cold or self.depth:
            return self.kind
        return f"users{self.users}{'-trial' if self.is_trial else ''}"

    @property
    def most_users(self) -> int:
        return self.users

    @property
    def load(self) -> float:
        return self.users


class Ramp(Struct, frozen=True, tag="ramp"):
    """Closed loop whose number of users climbs through `steps`, each of which lasts `step_s`.

    With `stop_when_flat` the climb ends once requests/s has stopped rising.
    """

    steps: tuple[int, ...]
    step_s: float
    spawn_rate_per_s: float | None = None
    stop_when_flat: bool = True
    is_open_loop: ClassVar[bool] = False
    kind: ClassVar[str] = "ramp"
    load: ClassVar[None] = None

    @property
    def suffix(self) -> str:
        return f"ramp{self.steps[-1]}"

    @property
    def most_users(self) -> int:
        return self.steps[-1]


ArrivalProcess = Literal["constant", "poisson", "gamma"]


class Arrivals(Struct, frozen=True, tag="arrivals"):
    """Open loop: requests start at absolute deadlines, drawn once from the seed.

    `burstiness` is the shape parameter of gamma distributed gaps (1 is Poisson). A request that
    comes while `max_in_flight` others are under way is dropped and counted.
    """

    rate_per_s: float
    distribution: ArrivalProcess = "poisson"
    burstiness: float = 1.0
    requests: int | None = None
    duration_s: float | None = None
    max_in_flight: int = 1024
    is_trial: bool = False  # of a search: it ends as soon as its verdict is known
    is_open_loop: ClassVar[bool] = True
    kind: ClassVar[str] = "rate"
    most_users: ClassVar[None] = None

    @property
    def load(self) -> float:
        return self.rate_per_s

    @property
    def suffix(self) -> str:
        kind = "" if self.distribution == "poisson" else f"-{self.distribution}"
        shape = f"{self.burstiness:g}" if self.distribution == "gamma" else ""
        return f"rate{self.rate_per_s:g}{kind}{shape}{'-trial' if self.is_trial else ''}"


class Trace(Struct, frozen=True, tag="trace"):
    """Open loop that replays a file of (timestamp, input tokens, output tokens)."""

    path: str
    speedup: float = 1.0
    max_in_flight: int = 1024
    is_open_loop: ClassVar[bool] = True
    kind: ClassVar[str] = "trace"
    most_users: ClassVar[None] = None
    load: ClassVar[None] = None

    @property
    def suffix(self) -> str:
        stem = self.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        return f"trace-{stem}"


Shape = Users | Ramp | Arrivals | Trace
"""How requests come.

Each shape has a `kind` (a word), a `suffix` for a cell's id, and says whether it `is_open_loop`.
`most_users` is the greatest number of users at once (None in an open loop), and `load` is what
curves are drawn over: users or requests/s (None where a shape runs through several).
"""


class AnswerSchema(Struct, frozen=True):
    """The JSON schema, as text, that answers are constrained to; an empty one leaves them free."""

    name: str
    text: str = ""


class Cell(Struct, frozen=True):
    """One point of the grid: a model under limits, token lengths, and the shape of the load.

    With `traffic` each request has lengths of its own, and those of the cell are 0. `prefix_cache`
    is what the user asked for; None leaves it to the traffic, and off for prompts of one length.
    `inputs` are the texts of one request, where a result is asked for each and no output (0 output
    tokens). `images` are sent beside each prompt, whose length is that of its text alone. Cells
    that differ only in their `schema` or `images` get the same requests but for that.
    """

    model: str
    input_tokens: int
    output_tokens: int
    shape: Shape
    limits: Limits = Limits()
    traffic: Traffic | None = None
    prefix_cache: Cache | None = None
    inputs: int = 1
    schema: AnswerSchema | None = None
    images: Images | None = None

    @property
    def id(self) -> str:
        """As in ``llama-2-70b-tgi-in1500-out100-users8``; the cell's files have this name too."""
        return f"{self.config_name}-{self.load_name}"

    @property
    def load_name(self) -> str:
        """The name of the load, whoever serves it; cells that share it get the same requests."""
        if isinstance(self.shape, Trace) and self.traffic is None:
            return self.shape.suffix  # each request has its own lengths
        return f"{self.lengths_name}-{self.shape.suffix}"

    @property
    def lengths_name(self) -> str:
        """The part of a cell's id that says what is sent: its lengths or its traffic."""
        if self.traffic is not None:
            return self.traffic.name
        times = f"x{self.inputs}" if self.inputs > 1 else ""
        output = f"-out{self.output_tokens}" if self.output_tokens else ""
        return f"in{self.input_tokens}{times}{output}"

    @property
    def lengths_text(self) -> str:
        """The same as a person says it: ``in 128 · out 64``, or the name of the traffic."""
        if self.traffic is not None:
            return self.traffic.name
        times = f" × {self.inputs}" if self.inputs > 1 else ""
        images = "" if self.images is None else f" + {self.images.text}"
        output = f" · out {self.output_tokens}" if self.output_tokens else ""
        return f"in {self.input_tokens}{times}{images}{output}"

    @property
    def converses(self) -> bool:
        """Whether any of its requests are turns of conversations."""
        return converse(self.traffic)

    @property
    def config_name(self) -> str:
        """The model, its limits, its prefix cache, the schema of its answers and the images of its
        requests; cells that share it differ only in lengths and load."""
        cache = "" if self.prefix_cache is None else f"-cache{self.prefix_cache}"
        schema = "" if self.schema is None else f"-schema-{self.schema.name}"
        images = "" if self.images is None else f"-{self.images.name}"
        return self.model + self.limits.suffix + cache + schema + images

    @property
    def reuses(self) -> bool:
        """Whether its requests leave the server's prefix cache on."""
        return (self.prefix_cache or (self.traffic.cache if self.traffic else "off")) == "on"

    @property
    def server_key(self) -> tuple[str, Limits, Cache | None]:
        """The model, limits and cache that cells must share to be served by one launch."""
        return self.model, self.limits, self.prefix_cache

    @property
    def is_cold(self) -> bool:
        """Whether each repeat gets a server that is launched for it."""
        return isinstance(self.shape, Users) and self.shape.cold

    @property
    def is_depth(self) -> bool:
        """Whether it is a point of the speed at depth."""
        return isinstance(self.shape, Users) and self.shape.depth

    @property
    def in_rounds(self) -> bool:
        """Whether repeats may alternate with those of other cells: in closed loops, unless cold."""
        return isinstance(self.shape, Users) and not self.shape.cold

    @property
    def is_trial(self) -> bool:
        """Whether it is one of the loads that a search tries."""
        return isinstance(self.shape, Users | Arrivals) and self.shape.is_trial

    @property
    def rate_per_s(self) -> float | None:
        """The rate at which requests arrive; None where the shape does not ask for one."""
        return self.shape.rate_per_s if isinstance(self.shape, Arrivals) else None

    def trial(self, load: float) -> "Cell":
        """The same cell as a trial with another number of users, or another rate (to three digits,
        as in the id)."""
        if isinstance(self.shape, Users):
            shape: Shape = structs.replace(self.shape, users=round(load), is_trial=True)
        else:
            rate_per_s = float(f"{load:.3g}")
            shape = structs.replace(self.shape, rate_per_s=rate_per_s, is_trial=True)
        return structs.replace(self, shape=shape)


def format_bytes(count: int) -> str:
    """`count` bytes in the largest unit that divides it, as a limit's text: ``512m``, ``2g``."""
    for unit, size in (("g", 2**30), ("m", 2**20), ("k", 2**10)):
        if count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
