"""What an image file declares about itself, read without decoding it, and how large one may be."""

from __future__ import annotations

import struct
from typing import NamedTuple

MOST_BYTES = 1 << 28  # of one image file
MOST_PIXELS = 64_000_000  # of one image; a header may declare any size, and decoding would believe it


class ImageHeader(NamedTuple):
    """Width and height in pixels, where the image data begin at the earliest, and what must come after them."""

    width: int
    height: int
    start: int
    ending: bytes

    @property
    def size(self) -> str:
        """Width and height for people: `320x240`."""
        return f"{self.width}x{self.height}"

    @property
    def is_huge(self) -> bool:
        """Whether decoding the image would take too much memory."""
        return self.width * self.height > MOST_PIXELS

    def is_cut_off(self, content: bytes) -> bool:
        """Whether the end of the image file is missing."""
        return content.rfind(self.ending) < self.start


def image_header(content: bytes) -> ImageHeader | None:
    """What a JPEG or PNG file declares; None when it is neither."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack_from(">LL", content, 16)
        return ImageHeader(width, height, 24, b"IEND") if width and height else None
    at = 2 if content[:2] == b"\xff\xd8" else len(content)
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = struct.unpack_from(">HH", content, at + 5)
            return ImageHeader(width, height, at, b"\xff\xd9") if width and height else None
        if marker in (0x00, 0xD9, 0xDA):  # the image begins or ends without a header
            return None
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in (0x01, *range(0xD0, 0xD9)):  # without a length
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return None
