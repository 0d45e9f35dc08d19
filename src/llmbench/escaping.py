"""Text that a run or a server gave, made safe to stand in a Markdown page."""

import re


def escaped(text: str) -> str:
    """`text` on one line, without a meaning in Markdown or HTML."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", flat)
