"""What is measured: a cell of the grid, the limits it runs under, and the shape of its load."""

from typing import Literal

from msgspec import Struct


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What a server may use of its host. ``None`` leaves the model's own setting."""

    cores: float | None = None
    memory_bytes: int | None = None

    @property
    def suffix(self) -> str:
        """The part of a cell's id that names these limits; empty when there are none."""
        cores = "" if self.cores is None else f"-cores{self.cores:g}"
        memory = "" if self.memory_bytes is None else f"-mem{format_bytes(self.memory_bytes)}"
        return cores + memory


class Users(Struct, frozen=True, tag="users"):
    """Closed loop: each of `users` sends its next request when its last one has ended.

    The loop ends after `requests_per_user` measured requests, or after `duration_s`, whichever
    is given (both: whichever comes first). `spawn_rate_per_s` spreads the start of the users
    (Locust's spawn rate); ``None`` starts all at once. With `cold` each repeat gets a server that
    was launched for it, and no warm-up.
    """

    users: int
    requests_per_user: int | None = 5
    duration_s: float | None = None
    spawn_rate_per_s: float | None = None
    cold: bool = False

    @property
    def suffix(self) -> str:
        return "cold" if self.cold else f"users{self.users}"


class Ramp(Struct, frozen=True, tag="ramp"):
    """Closed loop whose number of users climbs through `steps`, each held for `step_s`.

    With `stop_when_flat` the climb ends once requests/s has stopped rising.
    """

    steps: tuple[int, ...]
    step_s: float
    spawn_rate_per_s: float | None = None
    stop_when_flat: bool = True

    @property
    def suffix(self) -> str:
        return f"ramp{self.steps[-1]}"


ArrivalProcess = Literal["constant", "poisson", "gamma"]


class Arrivals(Struct, frozen=True, tag="arrivals"):
    """Open loop: requests start at absolute deadlines, drawn once from the seed.

    `burstiness` is the shape of gamma distributed gaps (1 is Poisson). A request that finds
    `max_in_flight` others under way is dropped and counted.
    """

    rate_per_s: float
    distribution: ArrivalProcess = "poisson"
    burstiness: float = 1.0
    requests: int | None = None
    duration_s: float | None = None
    max_in_flight: int = 1024

    @property
    def suffix(self) -> str:
        kind = "" if self.distribution == "poisson" else f"-{self.distribution}"
        shape = f"{self.burstiness:g}" if self.distribution == "gamma" else ""
        return f"rate{self.rate_per_s:g}{kind}{shape}"


class Trace(Struct, frozen=True, tag="trace"):
    """Open loop that replays a file of (timestamp, input tokens, output tokens)."""

    path: str
    speedup: float = 1.0
    max_in_flight: int = 1024

    @property
    def suffix(self) -> str:
        stem = self.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        return f"trace-{stem}"


Shape = Users | Ramp | Arrivals | Trace


class Cell(Struct, frozen=True):
    """One point of the grid: a model under limits, token lengths, and the shape of the load."""

    model: str
    input_tokens: int
    output_tokens: int
    shape: Shape
    limits: Limits = Limits()

    @property
    def id(self) -> str:
        """As in ``llama-2-70b-tgi-in1500-out100-users8``; also its files' name."""
        lengths = f"-in{self.input_tokens}-out{self.output_tokens}"
        if isinstance(self.shape, Trace):
            lengths = ""  # each request has its own
        return f"{self.model}{self.limits.suffix}{lengths}-{self.shape.suffix}"


def is_cold(cell: Cell) -> bool:
    """Whether each repeat of a cell gets a server that was launched for it."""
    return isinstance(cell.shape, Users) and cell.shape.cold


def format_bytes(count: int) -> str:
    """`count` in the largest unit that divides it, as a limit is written: ``512m``, ``2g``."""
    for unit, size in (("g", 2**30), ("m", 2**20), ("k", 2**10)):
        if count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
