"""Makes the turns of conversations, each with all that was said before it."""

from collections.abc import Sequence

from msgspec import structs

from llmbench.cells import Cell
from llmbench.load.plan.maker import Drawing, Phase
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.plan.talks import TEMPLATE_TOKENS, Talk, think_ns
from llmbench.load.plan.traffic_requests import TrafficMaker
from llmbench.load.wire.target import Target
from llmbench.records import RequestRecord
from llmbench.traffic import Conversations, Scripts


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
        super().__init__(cell, traffic, targets, len(material.scripts), drawing)
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
        number = self._part.first_conversation + talk.ordinal * self._part.stride
        return structs.replace(planned, conversation=number, turn=talk.turn, talk=talk)

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


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
