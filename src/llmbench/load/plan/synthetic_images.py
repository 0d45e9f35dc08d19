"""Makes the images of requests: PNG files of noise, each with colours that no other has.

A server may know an image again by its pixels, and then skips its encoder. So 15 of 16 pixels
differ from image to image, and the rest from run to run. That costs a request nothing: a PNG file
names its colours in a chunk of their own (https://www.w3.org/TR/png-3/, PLTE), and the pixels,
which are made and compressed once for each load, are numbers of these colours.
"""

import struct
import zlib
from base64 import b64encode
from hashlib import blake2b, shake_128

from llmbench.cells import Cell
from llmbench.load.plan.maker import Drawing
from llmbench.value_types import Images

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BITS, INDEXED = 4, 3
"""Half a byte a pixel, about what a photograph has as JPEG: 16 colours by their numbers."""

SALTED_BYTES, DRAWN_BYTES = 3, 45
"""Of the 16 colours of three bytes, the last keeps this run apart from others (as the salt of a
prompt cache does), and the seed draws the rest."""


class SyntheticImages:
    """The images of a cell's requests, which the seed, the load, the repeat and the ordinal decide.

    Unless the cell leaves caches on, the run's salt decides one of their colours.
    """

    def __init__(self, cell: Cell, drawing: Drawing) -> None:
        assert cell.images is not None
        self._images = cell.images
        self._drawn = f"{drawing.seed}\0{cell.images.name}\0{cell.load_name}\0{drawing.repeat}"
        salt = "" if cell.reuses else drawing.salt
        self._salted = blake2b(salt.encode(), digest_size=SALTED_BYTES).digest()
        self._before = _base64(SIGNATURE + _header(cell.images))
        self._after = _base64(_pixels(cell.images, self._drawn) + _chunk(b"IEND", b""))

    def of(self, ordinal: int) -> tuple[str, ...]:
        """The images of the request `ordinal`, in base64."""
        return tuple([self._image(ordinal, place) for place in range(self._images.count)])

    def _image(self, ordinal: int, place: int) -> str:
        what = f"{self._drawn}\0{ordinal}\0{place}".encode()
        colours = blake2b(what, digest_size=DRAWN_BYTES).digest() + self._salted
        return self._before + _base64(_chunk(b"PLTE", colours)) + self._after


def _header(images: Images) -> bytes:
    fields = struct.pack(">IIBBBBB", images.width, images.height, BITS, INDEXED, 0, 0, 0)
    return _chunk(b"IHDR", fields)


def _pixels(images: Images, drawn: str) -> bytes:
    """Noise, row by row; each row begins with a byte that says that it is not filtered."""
    row_bytes = -(-images.width * BITS // 8)
    noise = shake_128(drawn.encode()).digest(row_bytes * images.height)
    starts = range(0, len(noise), row_bytes)
    rows = b"".join([b"\0" + noise[start : start + row_bytes] for start in starts])
    return _chunk(b"IDAT", zlib.compress(rows, level=1))


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def _base64(data: bytes) -> str:
    """`data` as text; joined texts stand for joined data, as all but the last are of 3n bytes."""
    return b64encode(data).decode()
