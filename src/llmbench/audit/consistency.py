"""Checks that the journal agrees with itself: clocks, stamps, prompts, images and the verdict."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec

from llmbench.records import CellRun, RequestRecord
from llmbench.store import RunDir
from llmbench.verdict import Verdict


def inconsistencies(run: RunDir) -> Iterator[str]:
    """What in the journal, in ``run.json`` or in ``verdict.json`` can't be as it says."""
    runs = run.cell_runs()
    for record in run.requests():
        name = f"{record.cell} repeat {record.repeat} user {record.user} request {record.request}"
        yield from (f"journal: {name}: {fault}" for fault in _of_request(record))
    note = run.unreadable_note()
    if note is not None:
        yield f"journal: {note}"
    yield from _of_clocks(run, runs)
    yield from _of_prompts(run, runs)
    yield from _of_images(runs)
    yield from _of_verdict(run)


def _of_request(record: RequestRecord) -> Iterator[str]:
    """Its stamps come in their order, and say the same twice where they are kept twice."""
    names = ("sent_ns", "first_token_earliest_ns", "first_token_ns", "last_token_ns", "done_ns")
    stamps = [(name, getattr(record, name)) for name in names]
    known = [(name, stamp) for name, stamp in stamps if stamp is not None]
    for (name, stamp), (later, after) in pairwise(known):
        if after < stamp:
            yield f"{later} is before {name}"
    offsets, sent = record.event_ns, record.sent_ns
    if any(b < a for a, b in pairwise(offsets)):
        yield "event_ns are not in their order"
    if offsets and sent is not None:
        if record.first_token_ns != sent + offsets[0]:
            yield "first_token_ns is not the moment of the first of event_ns"
        if record.last_token_ns not in (sent + offsets[-1], record.done_ns):  # not streamed: done
            yield "last_token_ns is not the moment of the last of event_ns"
        if len(offsets) > record.events:
            yield f"events is {record.events}, and there are {len(offsets)} of event_ns"


def _of_clocks(run: RunDir, runs: list[CellRun]) -> Iterator[str]:
    info = run.info()
    for of_repeat in runs:
        name = f"{of_repeat.cell_id} repeat {of_repeat.repeat}"
        if of_repeat.ended_ns < of_repeat.started_ns:
            yield f"journal: {name}: ended before it began"
        late = info.ended_ns is not None and of_repeat.ended_ns > info.ended_ns
        if of_repeat.started_ns < info.started_ns or late:
            yield f"journal: {name}: lies outside the time of the run in run.json"


def _of_prompts(run: RunDir, runs: list[CellRun]) -> Iterator[str]:
    """The prompts that a repeat was sent are those whose hashes run.json has."""
    files = [entry for told in run.info().prompts.values() for entry in _lengths(told)]
    known = {entry.get("sha256") for entry in files}
    for of_repeat in runs:
        for digest in of_repeat.prompts_sha256.split():
            if known and digest not in known:
                name = f"{of_repeat.cell_id} repeat {of_repeat.repeat}"
                yield f"journal: {name}: prompts {digest[:12]}… are not among those of run.json"


def _lengths(told: Any) -> list[dict[str, Any]]:
    lengths = told.get("lengths", {}) if isinstance(told, dict) else {}
    return list(lengths.values()) if isinstance(lengths, dict) else []


def _of_images(runs: list[CellRun]) -> Iterator[str]:
    """One model is one image."""
    images: dict[str, set[str]] = {}
    for of_repeat in runs:
        digest = of_repeat.endpoint.launch.image_digest
        if digest is not None:
            images.setdefault(of_repeat.cell.model, set()).add(digest)
    for model, digests in images.items():
        if len(digests) > 1:
            yield f"journal: {model}: {len(digests)} images: {', '.join(sorted(digests))}"


def _of_verdict(run: RunDir) -> Iterator[str]:
    """The state of ``verdict.json`` follows from its rows."""
    file = run.path / "verdict.json"
    if not file.is_file():
        return
    try:
        verdict = msgspec.json.decode(file.read_bytes(), type=Verdict)
        said = msgspec.json.decode(file.read_bytes())
    except msgspec.MsgspecError as error:
        yield f"verdict.json: damaged: {error}"
        return
    for name, right in (("state", verdict.state), ("failed", verdict.failed)):
        if said.get(name, right) != right:
            yield f"verdict.json: {name}: {said[name]}, and its rows give {right}"
