"""The images that a request shows, as data URLs, and the prompt tokens that they are made into."""

import re
import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from io import BytesIO
from typing import Any

from msgspec import Struct

PATCH = 28
"""The side in pixels of what is a token: Qwen2-VL's, which joins four patches of a ViT of 14."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
"""What OpenAI and Anthropic take."""

_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")


class BadImage(ValueError):
    """What is wrong with an image; the message says it as an answer's words."""


class SeenImage(Struct, frozen=True):
    """An image that was read: its size in pixels, its tokens, and a checksum of the file."""

    width: int
    height: int
    tokens: int
    checksum: int

    @property
    def size(self) -> str:
        """The size as it is written: ``512x512``."""
        return f"{self.width}x{self.height}"


def images_in(content: Any, each: int | None = None) -> list[SeenImage]:
    """The images of a message's content, each of so many tokens (None: by its size).

    `BadImage` says which is not the file of an image in base64; with `each` 0 any is one too many.
    """
    parts = content if isinstance(content, list) else []
    files = [file for part in parts if (file := _file_of(part)) is not None]
    if files and each == 0:
        raise BadImage("At most 0 image(s) may be provided in one prompt.")  # vLLM's words
    return [_read(file, place, each) for place, file in enumerate(files, 1)]


def _file_of(part: Any) -> str | None:
    """The base64 of the image that a part is, in any dialect; None for another part."""
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _data(url)
        case {"type": "input_image", "image_url": str(url)}:
            return _data(url)
        case {"type": "image", "source": {"type": "base64", "data": str(data)}}:
            return data
        case {"type": "image_url" | "input_image" | "image" as kind}:
            raise BadImage(f"a part of type {kind!r} holds no data of an image")
    return None


def _data(url: str) -> str:
    begins = _DATA_URL.match(url)
    if begins is None:
        raise BadImage(f"only data URLs of images are taken, not {url[:40]!r}")
    return url[begins.end() :]


def _read(file: str, place: int, each: int | None) -> SeenImage:
    from PIL import Image

    try:
        data = b64decode(file, validate=True)
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            image.verify()
    except (Base64Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadImage(f"image {place} can't be read: {error}") from None
    by_size = -(-width // PATCH) * -(-height // PATCH)
    return SeenImage(width, height, by_size if each is None else each, zlib.crc32(data))
