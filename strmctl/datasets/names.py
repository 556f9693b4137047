"""Names as people read them: without what cannot be shown, and of many the first."""

from __future__ import annotations

import re
from collections.abc import Sequence

BAD_NAME = "file name is not valid Unicode or has control characters"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a line end in a name would break the manifest


def readable(name: str) -> str:
    """The name, with `?` for what is not valid Unicode and for control characters."""
    return CONTROL.sub("?", name.encode("utf-8", "replace").decode())


def first_of(names: Sequence[str], most: int) -> str:
    """At most so many names, with an ellipsis when there are more."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
