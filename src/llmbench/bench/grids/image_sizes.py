"""The images beside prompts, how many and how large: an axis of the grid."""

import re
from collections.abc import Sequence

from llmbench.apis import image_api
from llmbench.bench.grids.request_lengths import is_meant
from llmbench.cells import Shape, Users
from llmbench.config import ConfigError, Grid, ModelConfig
from llmbench.traffic import Traffic
from llmbench.value_types import Images

NONE = "none"
"""In the place of images: the prompts alone, for comparison."""

MOST_PIXELS = 100_000_000
"""Of all images of a request, whose body then has 67 MB: OpenAI's own API takes 50 MB, Anthropic's
32. Pillow, by which most servers read images, warns of a single one beyond 89 million."""


def image_sizes(
    model: ModelConfig, grid: Grid, traffic: Sequence[Traffic], shapes: Sequence[Shape]
) -> tuple[Images | None, ...]:
    """The images of `grid`, None for prompts alone; `ConfigError` says what can't be.

    That is also an API that takes none, if they are meant for its model. Other traffic has none but
    its own, and the speed at depth is that of text.
    """
    at_depth = any(isinstance(shape, Users) and shape.depth for shape in shapes)
    if not grid.images or traffic or at_depth:
        return ()
    where = f"{model.name}: images {','.join(grid.images)}"
    wanted = tuple(_read(text, where) for text in grid.images)
    try:
        image_api(model.api)
    except ConfigError as error:
        if is_meant(model, model.grid.images):
            raise ConfigError(f"{where}: {error}") from None
        return ()
    return wanted


def _read(text: str, where: str) -> Images | None:
    """`text` as in ``2@512x512``; None for none."""
    if text == NONE:
        return None
    match = re.fullmatch(r"([1-9]\d*)@([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise ConfigError(
            f"{where}: {text!r} is not a number of images and their size in pixels; write it like "
            "2@512x512, or none"
        )
    images = Images(*map(int, match.groups()))
    pixels = images.count * images.width * images.height
    if pixels > MOST_PIXELS:
        raise ConfigError(
            f"{where}: {images.text} are {pixels / 1e6:.0f} million pixels in one request, more "
            f"than servers take; give {MOST_PIXELS // 1_000_000} million at most"
        )
    return images
