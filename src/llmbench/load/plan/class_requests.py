"""Makes the requests of a mix: each class's by a maker of its own, in exact shares."""

from collections.abc import Sequence
from itertools import accumulate

from msgspec import structs

from llmbench.cells import Cell
from llmbench.load.plan.conversation_requests import ConversationMaker
from llmbench.load.plan.maker import ClassPart, Drawing, Maker, Phase
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.plan.shares import Shares, place_of
from llmbench.load.plan.traffic_requests import BodyMaker, LengthsMaker, PrefixMaker
from llmbench.load.wire.target import Target
from llmbench.records import ClientSettings
from llmbench.traffic import (
    Bodies,
    Conversations,
    Lengths,
    Material,
    Mix,
    Mixed,
    Plain,
    PlainMaterial,
    Prefixes,
    PromptsOfLength,
    Replayed,
    Scripts,
    SharedPrefix,
    Traffic,
    TrafficClass,
)


def traffic_maker(
    cell: Cell, material: Material, targets: Sequence[Target], drawing: Drawing
) -> Maker:
    """The maker of the cell's kind of traffic."""
    if isinstance(cell.traffic, Mix) and isinstance(material, Mixed):
        return MixMaker(cell, cell.traffic, material, targets, drawing)
    assert cell.traffic is not None and not isinstance(cell.traffic, Mix)
    assert not isinstance(material, Mixed)
    return _plain_maker(cell, cell.traffic, material, targets, drawing)


def _plain_maker(
    cell: Cell,
    traffic: Plain,
    material: PlainMaterial,
    targets: Sequence[Target],
    drawing: Drawing,
) -> Maker:
    match traffic, material:
        case Lengths(), PromptsOfLength():
            return LengthsMaker(cell, traffic, material, targets, drawing)
        case Conversations(), Scripts():
            return ConversationMaker(cell, traffic, material, targets, drawing)
        case SharedPrefix(), Prefixes():
            return PrefixMaker(cell, traffic, material, targets, drawing)
        case Replayed(), Bodies():
            return BodyMaker(cell, traffic, material, targets, drawing)
    raise ValueError(f"{cell.id}: its traffic has no such material")


class MixMaker:
    """Makes the requests of several classes, which the ordinals are dealt to.

    The warm-up has one class after the other, with the texts that come last.
    """

    def __init__(
        self,
        cell: Cell,
        mix: Mix,
        material: Mixed,
        targets: Sequence[Target],
        drawing: Drawing,
    ) -> None:
        self._drawing = drawing
        self._shares = Shares([one.share for one in mix.classes])
        sizes = [len(part.texts) for part in material.parts]
        starts = accumulate(sizes[:-1], initial=0)
        self._makers = [
            _plain_maker(
                cell,
                one.traffic,
                part,
                [_target_of(one, target) for target in targets],
                _drawing_of(drawing, ClassPart(one.name, start, k + 1, len(sizes)), size),
            )
            for k, (one, part, start, size) in enumerate(
                zip(mix.classes, material.parts, starts, sizes, strict=True)
            )
        ]

    def make(
        self,
        ordinal: int,
        *,
        user: int,
        request: int,
        phase: Phase,
        lengths: tuple[int, int] | None = None,
    ) -> PlannedRequest:
        if phase == "warmup":
            rank, chosen = divmod(ordinal, len(self._makers))
            rank = -1 - rank
        else:
            place = place_of(ordinal - self._drawing.first_measured, self._drawing.users)
            chosen, rank = self._shares.at(place)
        return self._makers[chosen].make(rank, user=user, request=request, phase=phase)


def with_all_headers(client: ClientSettings, traffic: Traffic | None) -> ClientSettings:
    """`client` with the headers of every class, so that secrets in any of them can be masked."""
    classes = traffic.classes if isinstance(traffic, Mix) else ()
    of_classes = {f"{one.name} {name}": v for one in classes for name, v in one.headers.items()}
    return structs.replace(client, headers=client.headers | of_classes)


def _target_of(one: TrafficClass, target: Target) -> Target:
    """The server as this class asks it: for its own model, with its own headers besides."""
    endpoint = target.endpoint
    if one.model is None and not one.headers:
        return target
    headers = endpoint.client.headers | one.headers
    client = structs.replace(endpoint.client, headers=headers)
    asked = structs.replace(endpoint, model=one.model or endpoint.model, client=client)
    return Target(asked, target.dialect)


def _drawing_of(drawing: Drawing, part: ClassPart, texts: int) -> Drawing:
    """What a class is drawn from: the texts that the server knows are told class by class."""
    seen = {at - part.first_text for at in drawing.seen if 0 <= at - part.first_text < texts}
    return structs.replace(drawing, seen=seen, first_measured=0, users=1, part=part)
