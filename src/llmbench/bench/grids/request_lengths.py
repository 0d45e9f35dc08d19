"""The lengths of requests, and the number of their inputs, as the API of a model has them."""

from collections.abc import Sequence
from itertools import product

from llmbench.apis import generates
from llmbench.config import ConfigError, Grid, ModelConfig, RemoteServer
from llmbench.traffic import Traffic


def is_meant(model: ModelConfig, own: object) -> bool:
    """Whether a setting is for this model, as its own file has it or it is the only one.

    Other settings are for all models of a session, and pass by those that have no use for them.
    """
    return own is not None or isinstance(model.server, RemoteServer)


def lengths_of_requests(
    model: ModelConfig, grid: Grid, pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, int, Traffic | None, int]]:
    """What is sent for each of the `pairs` of (input, output) lengths of `grid`.

    That is an input and an output length, no traffic, and a number of inputs. Where answers of the
    model's API hold no tokens, the output length is 0. `ConfigError` for several inputs that are
    meant for a model whose API has none, and for output lengths in the file of such a model.
    """
    inputs = grid.inputs or (1,)
    if generates(model.api):
        if set(inputs) != {1} and is_meant(model, model.grid.inputs):
            raise ConfigError(
                f"{model.name}: inputs {','.join(map(str, inputs))}: a request of {model.api} has "
                "one prompt; several inputs are for openai-embeddings and rerank"
            )
        return [(*pair, None, 1) for pair in pairs]
    given = next((k for k in ("output_tokens", "pairs") if getattr(model.grid, k)), None)
    if given is not None:
        raise ConfigError(
            f"{model.name}: key 'grid.{given}': answers of {model.api} hold no tokens; give "
            "input_tokens alone"
        )
    tokens_in = dict.fromkeys(tokens for tokens, _ in pairs)
    return [(tokens, 0, None, each) for tokens, each in product(tokens_in, inputs)]
