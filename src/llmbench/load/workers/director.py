"""Directs the workers of a cell: tells them when to begin and stop, and sums up their progress."""

import time
from collections.abc import Callable, Sequence

from llmbench.clock import Clock
from llmbench.load.loops.climbing import end_of_climb
from llmbench.load.plan.shapes import ClosedPlan
from llmbench.load.progress import Progress
from llmbench.load.workers.messages import ASK_PERIOD_S, RUN, Control, Job, Outcome, Questions, Team

HEAD_START_NS = 300_000_000
"""The time from the last worker's being ready to the start, so that all hear of it in time."""
REPORT_S = 0.25  # how often progress is reported, for a line that a person reads


class Director:
    """Looks after a team of workers; all its methods are called from one thread."""

    def __init__(
        self,
        job: Job,
        team: Team,
        progress: Callable[[Progress], None] | None,
        questions: Questions,
    ) -> None:
        self.began_unix_ns: int | None = None
        self._team, self._progress, self._questions = team, progress, questions
        self._workers = job.workers
        self._clock = Clock()
        self._control = Control("wait")
        self._asked_s = self._reported_s = time.monotonic()
        self._plan = job.plan
        self._rates_per_s: list[float] = []

    def look(self, *, over: bool) -> None:
        """Do what is due."""
        reports = self._team.heard(afresh=over)
        if self.began_unix_ns is None and sum(ready for _, ready in reports) == self._workers:
            self.began_unix_ns = self._clock.unix_ns() + HEAD_START_NS
            self._tell(Control("run", self.began_unix_ns))
        now_s = time.monotonic()
        total = _sum([progress for progress, _ in reports])
        if self._progress is not None and (over or now_s - self._reported_s > REPORT_S):
            self._reported_s = now_s
            self._progress(total)
        if now_s - self._asked_s > ASK_PERIOD_S:
            self._asked_s = now_s
            control = self._questions.control(self.began_unix_ns)
            if control is not None:
                self._tell(control)
        self._climb([progress for progress, _ in reports])

    def stop(self, why: str) -> None:
        """Make all workers send no more requests."""
        if self._control.command in ("wait", "run"):
            began = self.began_unix_ns or self._clock.unix_ns()
            self._tell(Control("stop", began, why))

    def nothing(self) -> Outcome:
        """The outcome of a cell whose workers all died."""
        now = self._clock.unix_ns()
        return Outcome(self.began_unix_ns or now, now, 0, 0, 0)

    def _tell(self, control: Control) -> None:
        self._control = control
        self._team.tell(control)

    def _climb(self, each: Sequence[Progress]) -> None:
        """Take a ramp's workers to the next step when all have held theirs, or end it."""
        plan = self._plan
        if self._control.command != RUN.command or not isinstance(plan, ClosedPlan):
            return
        held = min((progress.steps_held for progress in each), default=0)
        if held <= len(self._rates_per_s):
            return
        self._rates_per_s.append(sum(progress.step_rate_per_s for progress in each))
        why = end_of_climb(plan, self._rates_per_s)
        if why is not None:
            self.stop(why)
        else:
            next_ns = self._clock.unix_ns() + HEAD_START_NS
            self._tell(Control("run", self.began_unix_ns, "", held, next_ns))


def _sum(each: Sequence[Progress]) -> Progress:
    """The progress of all workers together."""
    totals = [progress.total for progress in each]
    return Progress(
        sent=sum(progress.sent for progress in each),
        done=sum(progress.done for progress in each),
        failed=sum(progress.failed for progress in each),
        output_tokens=sum(progress.output_tokens for progress in each),
        total=None if None in totals else sum(total or 0 for total in totals),
        in_flight=sum(progress.in_flight for progress in each),
        elapsed_s=max((progress.elapsed_s for progress in each), default=0.0),
        users=sum(progress.users for progress in each),
    )
