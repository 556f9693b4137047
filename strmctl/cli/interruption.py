"""Ctrl-C in the middle of many videos: what is done so far is shown and written all the same."""

from __future__ import annotations

from collections.abc import Sized
from types import TracebackType

from strmctl.cli import console
from strmctl.errors import ExitCode


class Interruptible:
    """A block that Ctrl-C ends without losing what is done; where nothing is, the interruption goes on.

    Args:
        done: what is done so far.
        wanted: number of things to do.

    Attributes:
        interrupted: whether the block was interrupted.
    """

    def __init__(self, done: Sized, wanted: int) -> None:
        self.done, self.wanted, self.interrupted = done, wanted, False

    def __enter__(self) -> Interruptible:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        self.interrupted = kind is not None and issubclass(kind, KeyboardInterrupt) and len(self.done) > 0
        if self.interrupted:
            console.say(f"interrupted: {len(self.done)} of {self.wanted} videos are done")
        return self.interrupted

    def exit_code(self, whole: bool) -> ExitCode:
        """The exit code of a command; `whole`: whether all videos that are done could be read."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.DONE if whole else ExitCode.DATA
