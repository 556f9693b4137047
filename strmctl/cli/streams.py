"""The standard streams: letters that one cannot show, and streams that are closed, full or no longer read.

What stdout does not take ends the command, for it is the result. What stderr does not take is lost without a word:
messages are no reason to stop hours of work.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import Any, TextIO

NAMES = ("stdin", "stdout", "stderr")  # their place is their number
ERRORS = {"stdout": "replace", "stderr": "backslashreplace"}
_CLOSED = {errno.EBADF: "it is closed", errno.EPIPE: "whatever reads it has ended"}
_watched: dict[str, _Watched] = {}


class _Watched(io.FileIO):
    """The end of a stream: after the first failure, which is kept, it takes everything and passes nothing on.

    So what is still in a buffer when Python ends fails no second time.
    """

    failure: OSError | None = None

    def write(self, content: Any) -> int | None:
        """As in Python.

        Raises:
            OSError: the first failure of stdout.
        """
        if self.failure is None:
            try:
                return super().write(content)
            except OSError as error:
                self.failure = error
                if self is _watched.get("stdout"):
                    raise
        return memoryview(content).nbytes


def prepare() -> None:
    """Makes the standard streams of this process fit for everything that is printed; those of a test stay its own."""
    for number in range(len(NAMES)):
        _occupy(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for name in ERRORS:
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _watching(name, stream))


def _occupy(number: int) -> None:
    """Opens a standard stream that is closed to nowhere, or the next file, such as weights, would get its number."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDONLY)  # so that writing to it fails
        if null != number:
            os.dup2(null, number)
            os.close(null)
        os.set_inheritable(number, True)


def _watching(name: str, stream: TextIO | None) -> TextIO | None:
    """A stream of the same kind over `_Watched`; a console of Windows, which is no file, stays."""
    if stream is None:
        spoken, buffered, settings = "utf-8", True, {"line_buffering": name == "stderr"}
    else:
        spoken, raw = stream.encoding, getattr(stream.buffer, "raw", stream.buffer)
        if type(raw) is not io.FileIO:
            stream.reconfigure(errors=ERRORS[name])
            return stream
        stream.flush()
        buffered = raw is not stream.buffer
        settings = {"line_buffering": stream.line_buffering, "write_through": stream.write_through}
    watched = _watched[name] = _Watched(NAMES.index(name), "w", closefd=False)
    buffer = io.BufferedWriter(watched) if buffered else watched
    return io.TextIOWrapper(buffer, encoding=spoken, errors=ERRORS[name], **settings)


def failure(name: str) -> str:
    """Why a stream takes no more, in a few words; empty as long as it does."""
    with contextlib.suppress(OSError, ValueError):  # a failure is kept, and asked for below
        getattr(sys, name).flush()
    watched = _watched.get(name)
    if watched is None or watched.failure is None:
        return ""
    return _CLOSED.get(watched.failure.errno, watched.failure.strerror or str(watched.failure))


def as_shown(text: str) -> str:
    """A text with a replacement for each letter that stdout cannot show."""
    return text.encode(encoding(), "replace").decode(encoding())


def encoding() -> str:
    """The encoding of stdout."""
    return getattr(sys.stdout, "encoding", None) or "utf-8"
