"""The JSON schemas that answers shall conform to: an axis of the grid."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from llmbench.apis import schema_api
from llmbench.bench.grids.request_lengths import is_meant
from llmbench.cells import AnswerSchema
from llmbench.config import ConfigError, Grid, ModelConfig
from llmbench.load import SchemaError, check_schema
from llmbench.traffic import Traffic

NONE = "none"
"""In the place of a file: the same requests without a schema, for comparison."""


def answer_schemas(
    model: ModelConfig, grid: Grid, traffic: Sequence[Traffic]
) -> tuple[AnswerSchema, ...]:
    """The schemas of `grid`; `ConfigError` names the file and what is wrong with it.

    It also says where the API of a model that they are meant for takes none. Other traffic has
    none.
    """
    if not grid.schema or traffic:
        return ()
    try:
        schema_api(model.api)
    except ConfigError:
        if is_meant(model, model.grid.schema):
            raise
        return ()
    return tuple(AnswerSchema(NONE) if name == NONE else _read(Path(name)) for name in grid.schema)


def _read(path: Path) -> AnswerSchema:
    try:
        text = path.read_text(encoding="utf-8")
        schema = msgspec.json.decode(text, type=dict[str, object])
        check_schema(schema)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--llm-schema: {path} can't be read: {error}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"--llm-schema: {path} is not a JSON object: {error}") from None
    except SchemaError as error:
        raise ConfigError(f"--llm-schema: {path}: {error}") from None
    return AnswerSchema(path.stem, msgspec.json.encode(schema).decode())
