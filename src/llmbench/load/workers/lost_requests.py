"""Records what a worker that died had under way, so that the error rate includes it."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from llmbench.load.plan.shapes import ClosedPlan, OpenPlan
from llmbench.load.workers.messages import Job
from llmbench.load.workers.worker import share_of
from llmbench.records import RequestRecord


def lost_requests(
    job: Job, journal_file: Path, began_unix_ns: int | None, why: str
) -> Iterator[RequestRecord]:
    """A ``worker_died`` record for each request of `job` that must have been under way.

    Only the dead worker knew which these were. In a closed loop it is one for each of its users
    that had not finished; in an open loop it is each that was due and is not in the journal.
    """
    now_ns = time.time_ns()
    if began_unix_ns is None:
        return
    elapsed_s = (now_ns - began_unix_ns) / 1e9
    done = _recorded(journal_file)
    share = share_of(job)
    if isinstance(share, ClosedPlan):
        due = _of_users(share, done, elapsed_s)
    else:
        due = _of_arrivals(share, done, elapsed_s)
    for user, request, scheduled_s, lengths in due:
        own = (job.cell.input_tokens or None, job.cell.output_tokens or None)
        asked = lengths or own
        yield RequestRecord(
            cell=job.cell.id,
            repeat=job.repeat,
            phase="measured",
            request=request,
            user=user,
            worker=job.worker,
            scheduled_ns=began_unix_ns + round(scheduled_s * 1e9),
            sent_ns=None,
            done_ns=now_ns,
            requested_input_tokens=asked[0],
            requested_output_tokens=asked[1],
            prompt_tokens=asked[0],
            prompt_index=0,
            error_kind="worker_died",
            error=why[:300],
        )


Due = Iterator[tuple[int, int, float, tuple[int, int] | None]]


def _of_users(share: ClosedPlan, done: dict[int, int], elapsed_s: float) -> Due:
    limit = None if share.converses else share.requests_per_user
    for start in share.starts:
        last = done.get(start.user, 0)
        finished = limit is not None and last >= limit + share.warmup_per_user
        began = start.at_s <= elapsed_s if not start.step else start.user in done
        if began and not finished:
            yield start.user, last + 1, start.at_s, None


def _of_arrivals(share: OpenPlan, done: dict[int, int], elapsed_s: float) -> Due:
    # requests of an open loop have no user; `done` then holds each by its own number
    for arrival in share.arrivals:
        if arrival.at_s <= elapsed_s and -(arrival.ordinal + 1) not in done:
            yield 0, arrival.ordinal + 1, arrival.at_s, arrival.lengths


class _Line(msgspec.Struct):
    user: int
    request: int
    phase: str


def _recorded(journal_file: Path) -> dict[int, int]:
    """The last request of each user; those of user 0 (of an open loop) each have a negative key."""
    decode = msgspec.json.Decoder(_Line).decode
    done: dict[int, int] = {}
    if not journal_file.is_file():
        return done
    with journal_file.open("rb") as lines:
        for raw in lines:
            if not raw.endswith(b"\n"):
                break
            line = decode(raw)
            if line.user:
                done[line.user] = max(done.get(line.user, 0), line.request)
            elif line.phase == "measured":
                done[-line.request] = line.request
    return done
