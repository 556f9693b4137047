"""Names of files that cannot be kept as they are."""

from __future__ import annotations

import re

BAD_NAME = "file name is not valid Unicode or has control characters"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a line end in a name would break the manifest


def readable(name: str) -> str:
    """The name, with `?` for what is not valid Unicode and for control characters."""
    return CONTROL.sub("?", name.encode("utf-8", "replace").decode())
