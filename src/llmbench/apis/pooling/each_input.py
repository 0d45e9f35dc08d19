"""What the answers have in common that hold a result for each input instead of text."""

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

T = TypeVar("T")


def read(data: bytes, decode: Callable[[bytes], T], kind: type[T]) -> T:
    """The page of results that `decode` makes of `data`, also where it holds NaN as Python has it.

    `msgspec.ValidationError` or `ValueError` where it is none.
    """
    try:
        return decode(data)
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(data), kind)


def at_wrong_places(places: Sequence[int], inputs: int, what: str) -> str | None:
    """What is wrong with the inputs that results are told to be for; None where each has one."""
    if len(places) != inputs:
        return f"{len(places)} {what}s for {inputs} inputs"
    if sorted(places) != list(range(inputs)):
        return f"the {what}s are not for each input once: indexes {sorted(places)[:8]}"
    return None
