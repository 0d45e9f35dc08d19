"""Checks answers against the JSON schema that they were constrained to."""

import json
from collections.abc import Callable
from typing import Any

from llmbench.cells import AnswerSchema

SHOWN = 60
"""The number of characters of an answer that an error shows."""


class SchemaError(ValueError):
    """What is wrong with a schema, or what is missing to check answers by it."""


def check_schema(schema: dict[str, Any]) -> None:
    """Raise `SchemaError` where `schema` is no JSON schema, or none can be checked here."""
    _validator(schema)


def checker(schema: AnswerSchema | None) -> Callable[[str], str | None] | None:
    """A function that says what is wrong with an answer's text; None where answers are free."""
    if schema is None or not schema.text:
        return None
    validator = _validator(json.loads(schema.text))

    def wrong(text: str) -> str | None:
        try:
            answer = json.loads(text)
        except ValueError as error:
            return f"the answer is not JSON ({error}): …{text[-SHOWN:]!r}"
        fault = next(validator.iter_errors(answer), None)
        return None if fault is None else f"the answer's {fault.json_path}: {fault.message}"

    return wrong


def _validator(schema: dict[str, Any]) -> Any:
    try:
        from jsonschema import exceptions, validators
    except ImportError:
        raise SchemaError(
            "answers are checked by jsonschema; run: pip install 'pytest-llmbench[schema]'"
        ) from None
    kind = validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except exceptions.SchemaError as error:
        raise SchemaError(f"not a JSON schema: {error.message}") from None
    return kind(schema)
