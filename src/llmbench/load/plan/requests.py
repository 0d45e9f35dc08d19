"""Chooses the prompt of each request.

The choice is a pure function of the seed, the load, the repeat, the request's ordinal, and what
the server was sent before. So it depends neither on the number of workers nor on the server's
speed, and is the same for both sides of a comparison.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from llmbench.apis import Ask, PoolingDialect, dialect
from llmbench.cells import Cell
from llmbench.config import ConfigError
from llmbench.load.plan.maker import Drawing, Phase
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.plan.synthetic_images import SyntheticImages
from llmbench.load.wire.target import Target, body_of
from llmbench.records import Endpoint, Prompt


def generator(seed: int, *what: str) -> np.random.Generator:
    """A random generator for `what` alone, which is the same on every host for the same seed."""
    digest = hashlib.sha256("\0".join([str(seed), *what]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def kept_apart(endpoint: Endpoint) -> bool:
    """Whether each request asks the server not to share its prompt cache with others."""
    asks = [Ask("", 1, endpoint.model, stream=True, unique=unique) for unique in (None, "salt")]
    plain, salted = (body_of(ask, dialect(endpoint.api), endpoint) for ask in asks)
    return plain != salted


def ignores_eos(endpoint: Endpoint) -> bool:
    """Whether requests ask the model to go on where it would end."""
    body = body_of(Ask("", 1, endpoint.model, stream=True), dialect(endpoint.api), endpoint)
    objects = (body, *(part for part in body.values() if isinstance(part, dict)))
    return any(part.get("ignore_eos") for part in objects)


def order_of(cell: Cell, texts: int, drawing: Drawing) -> list[int]:
    """The order in which so many texts are sent: those that the server knows come last."""
    if not texts:
        raise ConfigError(f"{cell.id}: no prompts of {cell.input_tokens} tokens")
    part = () if drawing.part.name is None else (drawing.part.name,)
    draw = generator(drawing.seed, cell.load_name, str(drawing.repeat), "prompts", *part)
    permutation = [int(index) for index in draw.permutation(texts)]
    return sorted(permutation, key=set(drawing.seen).__contains__)


class RequestMaker:
    """Makes the requests of a repeat, each with a prompt of its own until prompts run out."""

    def __init__(
        self,
        cell: Cell,
        prompts: Sequence[Prompt],
        targets: Sequence[Target],
        drawing: Drawing,
    ) -> None:
        self._cell, self._prompts, self._targets, self._drawing = cell, prompts, targets, drawing
        text = "" if cell.schema is None else cell.schema.text
        self._schema = msgspec.json.decode(text, type=dict[str, Any]) if text else None
        self._images = None if cell.images is None else SyntheticImages(cell, drawing)
        dialect = targets[0].dialect  # looked at once: to ask a protocol takes 12 µs
        self._pooling = dialect if isinstance(dialect, PoolingDialect) else None
        self._permutation = order_of(cell, len(prompts), drawing)
        self._lengths = sorted({prompt.tokens for prompt in prompts})
        self._of_length: dict[int, list[int]] = {}
        for index in self._permutation:
            self._of_length.setdefault(prompts[index].tokens, []).append(index)

    def choose(self, ordinal: int) -> int:
        """The index of the prompt of the request `ordinal` (0, 1, … over the whole cell)."""
        return self._permutation[ordinal % len(self._permutation)]

    def choose_near(self, ordinal: int, tokens: int) -> int:
        """Like `choose`, but among the prompts whose length is nearest to `tokens`."""
        place = bisect_left(self._lengths, tokens)
        near = self._lengths[max(place - 1, 0) : place + 1]
        length = min(near, key=lambda length: abs(length - tokens))
        indexes = self._of_length[length]
        return indexes[ordinal % len(indexes)]

    def make(
        self,
        ordinal: int,
        *,
        user: int,
        request: int,
        phase: Phase,
        lengths: tuple[int, int] | None = None,
    ) -> PlannedRequest:
        """The request `ordinal`; `lengths` (input, output) are given if they aren't the cell's.

        At a depth all prompts are as near to it as can be, so that their spread isn't in TTFT.
        """
        cell, (target, *others) = self._cell, self._targets
        wanted = (cell.input_tokens, cell.output_tokens) if lengths is None else lengths
        if self._pooling is not None:
            return self._with_results(ordinal, user, request, phase, wanted[0])
        any_will_do = lengths is None and not cell.is_depth
        index = self.choose(ordinal) if any_will_do else self.choose_near(ordinal, wanted[0])
        prompt = self._prompts[index]
        images = () if self._images is None else self._images.of(ordinal)
        ask = Ask(
            prompt=prompt.text,
            output_tokens=wanted[1],
            model=target.endpoint.model,
            stream=target.endpoint.client.stream,
            unique=None if cell.reuses else f"{self._drawing.salt}-{ordinal}-{phase}",
            reuse=cell.reuses,
            schema=self._schema,
            images=images,
            exact=self._schema is None,  # what conforms has an end of its own
            seed=self._drawing.seed % 2**31,
        )
        return PlannedRequest(
            user=user,
            request=request,
            phase=phase,
            prompt=index,
            prompt_tokens=None if images else prompt.tokens,  # the server alone counts an image's
            input_tokens=None if images else wanted[0],
            output_tokens=wanted[1] if ask.exact else None,
            payload=target.request(ask),
            stream=ask.stream,
            other_payloads=tuple([other.request(ask) for other in others]),
            images=len(images) or None,
        )

    def _with_results(
        self, ordinal: int, user: int, request: int, phase: Phase, input_tokens: int
    ) -> PlannedRequest:
        """The request `ordinal` for a result of each of the cell's inputs, instead of tokens."""
        target, *others = self._targets
        first, count = ordinal * self._cell.inputs, self._cell.inputs
        chosen = [self.choose(first + place) for place in range(count)]
        texts = [self._prompts[index] for index in chosen]
        ask = Ask(
            prompt=texts[0].text,
            more_inputs=tuple([text.text for text in texts[1:]]),
            output_tokens=0,
            model=target.endpoint.model,
            stream=False,
        )
        counted = self._pooling is not None and self._pooling.inputs_alone
        return PlannedRequest(
            user=user,
            request=request,
            phase=phase,
            prompt=chosen[0],
            prompt_tokens=sum(text.tokens for text in texts) if counted else None,
            input_tokens=count * input_tokens if counted else None,
            output_tokens=None,
            payload=target.request(ask),
            stream=False,
            other_payloads=tuple([other.request(ask) for other in others]),
            inputs=tuple(chosen),
        )
