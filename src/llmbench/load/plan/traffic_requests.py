"""Makes the requests of traffic: turns of conversations, prompts of groups, and whole bodies.

As with prompts of a length (`llmbench.load.plan.requests`), what a request says is a pure function
of the seed, the load, the repeat and its ordinal; and, in conversations, of the answers.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from msgspec import structs

from llmbench.apis import Ask
from llmbench.cells import Cell
from llmbench.load.plan.maker import Drawing, Maker, Phase
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.plan.requests import order_of
from llmbench.load.plan.talks import TEMPLATE_TOKENS, Talk, think_ns, uniform
from llmbench.load.wire.target import Target
from llmbench.records import RequestRecord
from llmbench.traffic import (
    Bodies,
    Conversations,
    Material,
    Prefixes,
    Replayed,
    Scripts,
    SharedPrefix,
)

WARM_UP = "Hello"


class TrafficMaker:
    """What the makers of all kinds of traffic share."""

    def __init__(
        self,
        cell: Cell,
        targets: Sequence[Target],
        texts: int,
        drawing: Drawing,
    ) -> None:
        assert cell.traffic is not None
        self._name = cell.traffic.name
        self._targets, self._drawing = targets, drawing
        self._drawn = (drawing.seed, cell.load_name, drawing.repeat)
        self._order = order_of(cell, texts, drawing)
        self._apart = not cell.reuses

    def _index(self, ordinal: int) -> int:
        return self._order[ordinal % len(self._order)]

    def _ask(self, ordinal: int, phase: Phase, output_tokens: int, turn: int = 1) -> Ask:
        """What is common to all requests; they are kept apart where the cache is to be off."""
        target = self._targets[0]
        return Ask(
            prompt="",
            output_tokens=output_tokens,
            model=target.endpoint.model,
            stream=target.endpoint.client.stream,
            unique=f"{self._drawing.salt}-{ordinal}-{turn}-{phase}" if self._apart else None,
            reuse=not self._apart,
            seed=self._drawing.seed % 2**31,
        )

    def _planned(
        self, ask: Ask, prompt: int, user: int, request: int, phase: Phase
    ) -> PlannedRequest:
        target, *others = self._targets
        return PlannedRequest(
            user=user,
            request=request,
            phase=phase,
            prompt=prompt,
            prompt_tokens=None,
            input_tokens=None,
            output_tokens=ask.output_tokens if ask.exact and ask.replayed is None else None,
            payload=target.request(ask),
            stream=ask.stream,
            other_payloads=tuple([other.request(ask) for other in others]),
            traffic=self._name,
        )


class ConversationMaker(TrafficMaker):
    """Makes the turns of conversations. A warm-up has one turn, so that none begins half-way."""

    def __init__(
        self,
        cell: Cell,
        traffic: Conversations,
        material: Scripts,
        targets: Sequence[Target],
        drawing: Drawing,
    ) -> None:
        super().__init__(cell, targets, len(material.scripts), drawing)
        self._traffic, self._material = traffic, material

    def make(
        self,
        ordinal: int,
        *,
        user: int,
        request: int,
        phase: Phase,
        lengths: tuple[int, int] | None = None,
    ) -> PlannedRequest:
        """The first turn of the conversation `ordinal`."""
        index = self._index(ordinal)
        script = self._material.scripts[index]
        turns = len(script.messages) if phase == "measured" else 1
        talk = Talk(self, ordinal, index, script, self._material.system, turns)
        planned = self._turn(talk, user, request, phase)
        return structs.replace(planned, prefix_tokens=self._material.system_tokens)

    def answered(self, talk: Talk, record: RequestRecord, answer: str) -> RequestRecord:
        talk.context_tokens = _sum(record.input_tokens, record.output_tokens)
        talk.end = self._end(talk, record)
        if talk.end is not None:
            return structs.replace(record, conversation_end=talk.end)
        recorded = self._traffic.answers == "recorded"
        if recorded:
            talk.context_tokens = record.input_tokens
        talk.go_on(talk.script.answers[talk.turn - 1] if recorded else answer)
        return record

    def next_turn(self, talk: Talk, *, user: int, request: int) -> PlannedRequest:
        wait_ns = think_ns(self._traffic.think, *self._drawn, "think", talk.ordinal, talk.turn)
        planned = self._turn(talk, user, request, "measured")
        return structs.replace(planned, prefix_tokens=talk.context_tokens, think_ns=wait_ns)

    def _turn(self, talk: Talk, user: int, request: int, phase: Phase) -> PlannedRequest:
        ask = structs.replace(
            self._ask(talk.ordinal, phase, self._traffic.output_tokens, talk.turn),
            messages=tuple(talk.messages),
            exact=self._traffic.exact,
        )
        planned = self._planned(ask, talk.prompt, user, request, phase)
        return structs.replace(planned, conversation=talk.ordinal + 1, turn=talk.turn, talk=talk)

    def _end(self, talk: Talk, record: RequestRecord) -> str | None:
        """Why no further turn follows; None where one does."""
        if not record.ok:
            return f"its request failed ({record.error_kind})"
        if talk.turn >= talk.turns:
            return "it was its last turn"
        limit, so_far = self._material.context_tokens, talk.context_tokens
        if limit is None or so_far is None:
            return None
        needed = so_far + talk.script.tokens[talk.turn] + self._traffic.output_tokens
        if needed + TEMPLATE_TOKENS <= limit:
            return None
        return f"its next turn might not fit the context of {limit} tokens"


class PrefixMaker(TrafficMaker):
    """Makes prompts of groups. The warm-up has a prefix of its own, so that the first measured
    request of a group finds nothing of it in a cache."""

    def __init__(
        self,
        cell: Cell,
        traffic: SharedPrefix,
        material: Prefixes,
        targets: Sequence[Target],
        drawing: Drawing,
    ) -> None:
        super().__init__(cell, targets, len(material.suffixes), drawing)
        self._traffic, self._material = traffic, material
        exponent = traffic.exponent if traffic.popularity == "zipf" else 0.0
        weights = [1 / (group + 1) ** exponent for group in range(traffic.groups)]
        self._ends = [end / sum(weights) for end in accumulate(weights)]
        self._first: dict[int, int] = {}  # the first measured ordinal of each group
        self._looked_at = self._drawing.first_measured

    def make(
        self,
        ordinal: int,
        *,
        user: int,
        request: int,
        phase: Phase,
        lengths: tuple[int, int] | None = None,
    ) -> PlannedRequest:
        traffic, index = self._traffic, self._index(ordinal)
        group = self._group(ordinal) if phase == "measured" else traffic.groups
        text = self._material.prefixes[group] + self._material.suffixes[index]
        ask = structs.replace(self._ask(ordinal, phase, traffic.output_tokens), prompt=text)
        tokens = traffic.prefix_tokens + traffic.suffix_tokens
        return structs.replace(
            self._planned(ask, index, user, request, phase),
            prompt_tokens=tokens,
            input_tokens=tokens,
            traffic_class=f"group {group + 1}" if group < traffic.groups else "warm-up",
            prefix_tokens=traffic.prefix_tokens if self._came_before(group, ordinal) else 0,
        )

    def _group(self, ordinal: int) -> int:
        return min(
            bisect_right(self._ends, uniform(*self._drawn, "group", ordinal)),
            self._traffic.groups - 1,
        )

    def _came_before(self, group: int, ordinal: int) -> bool:
        """Whether an earlier measured request is of the same group."""
        while self._looked_at < ordinal and len(self._first) < self._traffic.groups:
            self._first.setdefault(self._group(self._looked_at), self._looked_at)
            self._looked_at += 1
        return self._first.get(group, ordinal) < ordinal


class BodyMaker(TrafficMaker):
    """Replays bodies in the order of their file. The warm-up says something else, so that the
    server knows none of them before."""

    def __init__(
        self,
        cell: Cell,
        traffic: Replayed,
        material: Bodies,
        targets: Sequence[Target],
        drawing: Drawing,
    ) -> None:
        super().__init__(cell, targets, len(material.bodies), drawing)
        self._material = material

    def make(
        self,
        ordinal: int,
        *,
        user: int,
        request: int,
        phase: Phase,
        lengths: tuple[int, int] | None = None,
    ) -> PlannedRequest:
        bodies = self._material.bodies
        index = (ordinal - self._drawing.first_measured) % len(bodies)
        ask = structs.replace(self._ask(ordinal, phase, 1), prompt=WARM_UP)
        if phase == "measured":
            body = bodies[index]
            ask = structs.replace(
                ask, output_tokens=body.output_tokens, replayed=json.loads(body.json)
            )
        return self._planned(ask, index, user, request, phase)


def traffic_maker(
    cell: Cell, material: Material, targets: Sequence[Target], drawing: Drawing
) -> Maker:
    """The maker of the cell's kind of traffic."""
    match cell.traffic, material:
        case Conversations() as traffic, Scripts():
            return ConversationMaker(cell, traffic, material, targets, drawing)
        case SharedPrefix() as traffic, Prefixes():
            return PrefixMaker(cell, traffic, material, targets, drawing)
        case Replayed() as traffic, Bodies():
            return BodyMaker(cell, traffic, material, targets, drawing)
    raise ValueError(f"{cell.id}: its traffic has no such material")


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
