"""Names of files: how people read them, and which files and folders are no data wherever they lie."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNREADABLE = "cannot be read"  # beginning of the reason why a folder was not looked into
SEEN = "link to a folder that is read under another name"
BAD_NAME = "file name is not valid Unicode or has control characters"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a line end in a name would break the manifest
UNFINISHED = "half of a download or of a copy"
# what operating systems, network storage and file managers put beside files; most of it is hidden
_LEFT_OUT = re.compile(
    r"""\..*|__macosx|icon\r|network\ trash\ folder|temporary\ items  # macOS
    |(eh)?thumbs(_vista)?\.db(:encryptable)?|desktop\.ini|\$recycle\.bin|system\ volume\ information|found\.\d{3}|~\$.*
    |lost\+found
    |@(eadir|recycle|recently-snapshot|sharebin|tmp)|[#](recycle|snapshot)|~snapshot|.*@syno(resource|eastream)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_UNFINISHED = re.compile(
    r".+\.(part(-frag\d+)?|partial|filepart|(cr|op)?download|ytdl|aria2|!ut|!qb|tmp)|~syncthing~.*",
    re.IGNORECASE | re.DOTALL,
)


def readable(name: str) -> str:
    """The name, with `?` for what is not valid Unicode and for control characters."""
    return CONTROL.sub("?", name.encode("utf-8", "replace").decode())


def is_left_out(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a system puts beside files."""
    return _LEFT_OUT.fullmatch(name) is not None


def is_unfinished(name: str) -> bool:
    """Whether a program that downloads or copies has given a file or folder this name until it is whole."""
    return _UNFINISHED.fullmatch(name) is not None


def first_of(names: Sequence[str], most: int) -> str:
    """At most so many names, with an ellipsis when there are more."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
