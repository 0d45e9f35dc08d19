"""Fills ``{threads}``, ``{port}``, … in the words of a server's command when it is launched."""

import re

from llmbench.config import ConfigError
from llmbench.value_types import nearest


def fill(word: str, values: dict[str, str], key: str) -> str:
    """`word` with its placeholders filled; braces of JSON are left as they are.

    `ConfigError` names the `key` whose value has an unknown placeholder.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ConfigError(
                f"{key}: unknown placeholder {match[0]}{nearest(match[1], list(values))}"
            )
        return values[match[1]]

    return re.sub(r"\{(\w+)\}", value, word)
