"""Makes the requests of traffic: turns of conversations, prompts of groups, and whole bodies.

As with prompts of a length (`llmbench.load.plan.requests`), what a request says is a pure function
of the seed, the load, the repeat and its ordinal; and, in conversations, of the answers.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any

from msgspec import structs

from llmbench.apis import Ask
from llmbench.cells import Cell
from llmbench.load.plan.maker import Drawing, Phase
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.plan.requests import order_of
from llmbench.load.plan.shares import is_chosen, place_of
from llmbench.load.plan.talks import uniform
from llmbench.load.wire.target import Target
from llmbench.traffic import (
    Bodies,
    HangUps,
    Lengths,
    Plain,
    Prefixes,
    PromptsOfLength,
    Replayed,
    SharedPrefix,
    exactly,
)

WARM_UP = "Hello"


class TrafficMaker:
    """What the makers of all kinds of traffic share."""

    def __init__(
        self,
        cell: Cell,
        traffic: Plain,
        targets: Sequence[Target],
        texts: int,
        drawing: Drawing,
    ) -> None:
        assert cell.traffic is not None
        self._name, part = cell.traffic.name, drawing.part
        self._targets, self._drawing, self._part = targets, drawing, part
        self._drawn: tuple[object, ...] = (drawing.seed, cell.load_name, drawing.repeat)
        self._drawn += () if part.name is None else (part.name,)
        self._order = order_of(cell, texts, drawing)
        self._salt = f"{drawing.salt}-{part.first_conversation}" if part.name else drawing.salt
        self._apart = (cell.prefix_cache or traffic.cache) == "off"
        self._hang_ups: HangUps | None = getattr(traffic, "hang_ups", None)
        self._share = exactly(self._hang_ups.share) if self._hang_ups else Fraction(0)

    def _index(self, ordinal: int) -> int:
        return self._order[ordinal % len(self._order)]

    def _hangs_up(self, ordinal: int, phase: Phase) -> HangUps | None:
        """When the client hangs up on the request, if it does."""
        if self._hang_ups is None or phase == "warmup":
            return None
        place = place_of(ordinal - self._drawing.first_measured, self._drawing.users)
        return self._hang_ups if is_chosen(place, self._share) else None

    def _ask(self, ordinal: int, phase: Phase, output_tokens: int, turn: int = 1) -> Ask:
        """What is common to all requests; they are kept apart where the cache is to be off."""
        target = self._targets[0]
        return Ask(
            prompt="",
            output_tokens=output_tokens,
            model=target.endpoint.model,
            stream=target.endpoint.client.stream,
            unique=f"{self._salt}-{ordinal}-{turn}-{phase}" if self._apart else None,
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
            prompt=self._part.first_text + prompt,
            prompt_tokens=None,
            input_tokens=None,
            output_tokens=ask.output_tokens if ask.exact and ask.replayed is None else None,
            payload=target.request(ask),
            stream=ask.stream,
            other_payloads=tuple([other.request(ask) for other in others]),
            traffic=self._name,
            traffic_class=self._part.name,
        )


class LengthsMaker(TrafficMaker):
    """Makes prompts of a length, each different from the others until they run out."""

    def __init__(
        self,
        cell: Cell,
        traffic: Lengths,
        material: PromptsOfLength,
        targets: Sequence[Target],
        drawing: Drawing,
    ) -> None:
        super().__init__(cell, traffic, targets, len(material.texts), drawing)
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
        index = self._index(ordinal)
        ask = structs.replace(
            self._ask(ordinal, phase, self._traffic.output_tokens),
            prompt=self._material.texts[index],
        )
        return structs.replace(
            self._planned(ask, index, user, request, phase),
            prompt_tokens=self._material.tokens[index],
            input_tokens=self._traffic.input_tokens,
            hang_ups=self._hangs_up(ordinal, phase),
        )


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
        super().__init__(cell, traffic, targets, len(material.suffixes), drawing)
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
            traffic_class=self._part.name or self._name_of(group),
            prefix_tokens=traffic.prefix_tokens if self._came_before(group, ordinal) else 0,
            hang_ups=self._hangs_up(ordinal, phase),
        )

    def _name_of(self, group: int) -> str:
        return f"group {group + 1}" if group < self._traffic.groups else "warm-up"

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
        super().__init__(cell, traffic, targets, len(material.bodies), drawing)
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
        images = None
        if phase == "measured":
            body, said = bodies[index], json.loads(bodies[index].json)
            ask = structs.replace(ask, output_tokens=body.output_tokens, replayed=said)
            images = _images_in(said)
        planned = self._planned(ask, index, user, request, phase)
        return structs.replace(planned, hang_ups=self._hangs_up(ordinal, phase), images=images)


def _images_in(body: dict[str, Any]) -> int | None:
    """How many images the messages of a chat show; None for none."""
    contents = [message.get("content") for message in body.get("messages", ())]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(isinstance(part, dict) and part.get("type") == "image_url" for part in parts) or None
