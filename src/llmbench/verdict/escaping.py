"""Makes text that came from a run or a server safe to stand in a Markdown page."""

import re


def escaped(text: str) -> str:
    """`text` on one line, without anything that Markdown or HTML would interpret."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", flat)
