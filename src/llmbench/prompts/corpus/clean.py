"""Makes texts safe to send: takes out all that a tokenizer or a server reads as a command."""

import re
from collections.abc import Callable, Iterable

Clean = Callable[[str], str]


def cleaner(specials: Iterable[str]) -> Clean:
    """A function that takes out of a text whatever would not arrive as that text.

    These are the tokenizer's special tokens written out (``</s>``, ``<|im_end|>``: servers
    would read them as the real ones), NUL, and halves of surrogate pairs, which are not
    characters. A removal may join its neighbours into a new special token, so the search is
    repeated until none is left.
    """
    words = sorted(filter(None, specials), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, words))) if words else None

    def clean(text: str) -> str:
        text = _valid(text)
        while pattern is not None and pattern.search(text):
            text = pattern.sub(_gap, text)
        return text.strip()

    return clean


def _gap(special: re.Match[str]) -> str:
    """A space where the words on both sides of a special would otherwise run together."""
    before, after = special.string[: special.start()], special.string[special.end() :]
    touching = before[-1:].isalnum() and after[:1].isalnum()
    return " " if touching else ""


def _valid(text: str) -> str:
    """`text` without NUL; surrogates are joined to characters, and single ones dropped."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        joined = text.encode("utf-16-le", "surrogatepass")
        return joined.decode("utf-16-le", "ignore")
    return text
