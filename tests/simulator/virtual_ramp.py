"""A ramp over a simulated engine in virtual time, by the very rules of a real ramp."""

from llmbench.cells import Cell, Ramp
from llmbench.load.loops.climbing import StepWatch, end_of_climb
from llmbench.load.plan.shapes import ClosedPlan, plan
from llmbench.metrics.capacity.curves import Point
from llmbench.metrics.capacity.ramps import ramp_curve
from llmbench.metrics.tables import table
from llmbench.records import RequestRecord
from llmbench.simulator.scheduling.engine_model import EngineModel, Sequence
from llmbench.simulator.scheduling.virtual import VirtualTime
from llmbench.value_types import EngineSteps
from tests.metrics.making import START_NS, cell_run, request

POLL_NS = 20_000_000
BETWEEN_NS = 200_000  # from an answer's end to the arrival of the user's next request


class VirtualRamp:
    """Users who climb through the steps of `shape`, each with its next request after the last."""

    def __init__(self, steps: EngineSteps, lengths: tuple[int, int], shape: Ramp) -> None:
        self._lengths, self._shape = lengths, shape
        whole = plan(Cell("m", *lengths, shape), seed=1, repeat=1, warmup_per_user=1)
        assert isinstance(whole, ClosedPlan)
        self._plan = whole
        self._time = VirtualTime(EngineModel(steps), self._brought)
        self._users: dict[Sequence, int] = {}
        self._asked: dict[int, int] = {}  # requests by user
        self._records: list[RequestRecord] = []
        self._rates: list[float] = []
        self._ends_ns: list[tuple[int, int]] = []
        self._watch: StepWatch

    def curve(self) -> list[Point]:
        """The steps of the ramp, as a run shows them."""
        self._begin_step()
        self._time.run(until=lambda: end_of_climb(self._plan, self._rates) is not None)
        run = cell_run(self._shape, step_ends_ns=tuple(self._ends_ns))
        return ramp_curve(run, table(self._records))

    def _begin_step(self) -> None:
        number, now_ns = len(self._rates), self._time.now_ns
        step = self._plan.steps[number]
        old = len(self._asked)
        self._watch = StepWatch(step, START_NS + now_ns, step.users, warms_up=number == 0)
        for user in range(old + 1, step.users + 1):
            self._ask(user)
        self._time.at(now_ns + POLL_NS, self._poll)

    def _poll(self) -> None:
        now_ns = self._time.now_ns
        if not self._watch.is_held(START_NS + now_ns):
            self._time.at(now_ns + POLL_NS, self._poll)
            return
        self._rates.append(self._watch.requests_per_s)
        self._ends_ns.append((self._plan.steps[len(self._rates) - 1].users, START_NS + now_ns))
        if end_of_climb(self._plan, self._rates) is None:
            self._begin_step()

    def _ask(self, user: int) -> None:
        sequence = Sequence(*self._lengths)
        self._users[sequence] = user
        self._asked[user] = self._asked.get(user, 0) + 1
        self._time.submit(sequence)

    def _brought(self, sequence: Sequence, tokens: int) -> None:
        if not sequence.is_done:
            return
        user, now_ns = self._users.pop(sequence), self._time.now_ns
        assert sequence.first_ns is not None
        record = request(
            sequence.submitted_ns / 1e6,
            ttft_ms=(sequence.first_ns - sequence.submitted_ns) / 1e6,
            tokens=2,
            gap_ms=(now_ns - sequence.first_ns) / 1e6,
            user=user,
            phase="warmup" if not self._rates and self._asked[user] == 1 else "measured",
            output_tokens=sequence.sent,
        )
        self._records.append(record)
        self._watch.add(record)
        self._time.at(now_ns + BETWEEN_NS, lambda: self._ask(user))
