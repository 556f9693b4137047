"""Names of files: how people read them, and which files are left out without a word."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNREADABLE = "cannot be read"  # beginning of the reason why a folder was not looked into
SEEN = "link to a folder that is read under another name"
BAD_NAME = "file name is not valid Unicode or has control characters"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a line end in a name would break the manifest
_LEFT_OUT = ("__macosx", "thumbs.db", "desktop.ini")  # what systems put beside files, in lower case


def readable(name: str) -> str:
    """The name, with `?` for what is not valid Unicode and for control characters."""
    return CONTROL.sub("?", name.encode("utf-8", "replace").decode())


def is_left_out(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a system puts beside files."""
    return name.startswith(".") or name.lower() in _LEFT_OUT


def first_of(names: Sequence[str], most: int) -> str:
    """At most so many names, with an ellipsis when there are more."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
