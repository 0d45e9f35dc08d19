"""Lets two servers take turns under load, in blocks of a few seconds, while the other is paused.

Both run on the same cores; what drifts on the host meets both within seconds.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from msgspec import Struct, structs

from llmbench.bench.host import gpu_models
from llmbench.bench.launcher import Servers
from llmbench.cells import Cell, Users
from llmbench.config import CommandServer, DockerServer, ModelConfig
from llmbench.results import CellResult
from llmbench.verdict import Interleaving, RepeatDigest, a_opens

BLOCK_S = 2.0
"""How long a block's measured load goes on, if no duration is given.

Shorter ones lie nearer together and so share more of what drifts; each costs a warm-up.
"""

SETTLE_S = 0.1
"""The time between a server's resumption and its load."""

ROUNDS_ON_GPUS = 6
"""The rounds of servers that can't both be up, as each block launches one anew."""

Settled = Callable[[Mapping[str, Sequence[CellResult]], float], bool]
"""Says, from the results by cell and the share of the longest load, whether all is decided."""


class Block(Protocol):
    """Measures one repeat of a cell on the server that `servers` hold."""

    def __call__(self, cell: Cell, repeat: int, servers: Servers) -> RepeatDigest: ...


class Turns(Struct, frozen=True):
    """How many rounds there are; in a round each cell has a block on each side.

    With `most` None they go on for `limit_s` of load. With as many as `most` at least, the session
    is looked at only once. `together`: both servers can be up at once.
    """

    fewest: int
    most: int | None
    limit_s: float
    together: bool = True

    @property
    def one_look(self) -> bool:
        return self.fewest == self.most

    def share(self, rounds: int, load_s: float) -> float:
        """The part of the longest load that was applied; 1 where no further round fits in."""
        if self.most is not None:
            return rounds / self.most
        return 1.0 if load_s + load_s / rounds > self.limit_s else load_s / self.limit_s


def turns_of(models: Sequence[ModelConfig], repeats: tuple[int, int], limit_s: float) -> Turns:
    """The turns of two models: by time, unless several repeats of each cell were asked for.

    Servers on GPUs each take all of their memory, so only one is up at a time; a command is taken
    to use the GPUs of a host that has some.
    """
    on_gpus = any(_on_gpus(model) for model in models)
    if repeats[1] > 1:
        return Turns(*repeats, limit_s, together=not on_gpus)
    if on_gpus:
        return Turns(ROUNDS_ON_GPUS, ROUNDS_ON_GPUS, limit_s, together=False)
    return Turns(1, None, limit_s)


def _on_gpus(model: ModelConfig) -> bool:
    if isinstance(model.server, DockerServer):
        return model.server.gpu_count > 0
    return isinstance(model.server, CommandServer) and bool(gpu_models())


class Alternation:
    """One session of turns; `results` has the blocks of each cell so far."""

    def __init__(self, servers: Servers, block: Block, turns: Turns, seed: int) -> None:
        self.results: dict[str, list[CellResult]] = {}
        self._own, self._block, self._turns, self._seed = servers, block, turns, seed
        self._load_s = 0.0
        self._unpaused: set[str] = set()  # models whose server can't be paused

    def run(self, pairs: Sequence[tuple[Cell, Cell]], settled: Settled) -> Interleaving:
        """Alternate between the two cells of each pair, round by round, until all is settled."""
        turns, rounds, share, done = self._turns, 0, 0.0, False
        with ExitStack() as stack:
            stack.callback(self._own.resume)
            other = stack.enter_context(self._own.twin()) if turns.together else self._own
            while share < 1 and not done:
                rounds += 1
                for a, b in pairs:
                    blocks = [(self._as_block(a), self._own), (self._as_block(b), other)]
                    for cell, servers in blocks if a_opens(self._seed, rounds) else blocks[::-1]:
                        self._turn(cell, rounds, servers)
                share = turns.share(rounds, self._load_s)
                done = turns.fewest <= rounds and share < 1 and settled(self.results, share)
        notes = (self._ending(rounds, done), self._idle())
        return Interleaving(rounds, self._load_s, None if turns.one_look else share, notes)

    def _as_block(self, cell: Cell) -> Cell:
        """The cell with a load of `BLOCK_S`, where the rounds go by time and it has no duration."""
        shape = cell.shape
        if self._turns.most is not None or not isinstance(shape, Users) or shape.duration_s:
            return cell
        block = structs.replace(shape, requests_per_user=None, duration_s=BLOCK_S)
        return structs.replace(cell, shape=block)

    def _turn(self, cell: Cell, number: int, servers: Servers) -> None:
        """One block on the server of `servers`, which is paused before and after it."""
        servers.resume()
        time.sleep(SETTLE_S)
        try:
            digest = self._block(cell, number, servers)
        finally:
            if self._turns.together and not servers.pause():
                self._unpaused.add(cell.model)
        self._load_s += (digest.run.ended_ns - digest.run.started_ns) / 1e9
        self.results.setdefault(cell.id, []).append(digest.result)

    def _ending(self, rounds: int, done: bool) -> str:
        """How long the turns went on, and why they ended."""
        turns = self._turns
        why = "as many as asked for"
        if done:
            why = "by then every figure was decided"
        elif turns.most is None:
            why = f"no further round fits into the limit of {turns.limit_s:g} s (--llm-ab-time)"
        blocks = f"{rounds} round{'' if rounds == 1 else 's'} of A B, B A"
        return f"{blocks} by seed {self._seed}, {self._load_s:.0f} s of load: {why}"

    def _idle(self) -> str:
        """What the server that had no load did meanwhile."""
        if not self._turns.together:
            return "one server at a time was up, launched anew for its block: they need GPUs"
        if self._unpaused:
            models = " and ".join(sorted(self._unpaused))
            return f"{models} can't be paused: each stayed up beside the other, without load"
        return "the server without load was paused"
