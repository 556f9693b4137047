"""Errors that a user can mend, each with the exit code that scripts rely on."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What `strmctl` returns to the shell."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    DATA = 3
    RECIPE = 4
    CHECKPOINT = 5
    INTERRUPTED = 130


class StrmctlError(Exception):
    """A failure with a message that says what failed and where, and a hint that names the command that mends it.

    Attributes:
        message: what failed, and where.
        hint: what to do about it; empty when there is nothing to add.
        exit_code: what the process returns.
    """

    exit_code = ExitCode.UNEXPECTED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def in_one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, StrmctlError):
        text = error.message
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())


class OutputError(StrmctlError):
    """The result cannot be written: a full disk, a read-only folder."""


class UsageError(StrmctlError):
    """The request makes no sense: an unknown data set, a way or shot beyond the split."""

    exit_code = ExitCode.USAGE


class DataError(StrmctlError):
    """Data is missing or damaged: no videos, no run yet, weights that cannot be fetched."""

    exit_code = ExitCode.DATA


class NotFiniteError(DataError):
    """A model makes of a clip what is NaN or infinite."""


class RecipeError(StrmctlError):
    """A recipe is unknown or invalid."""

    exit_code = ExitCode.RECIPE


class CheckpointError(StrmctlError):
    """Weights do not fit the model that they are meant for."""

    exit_code = ExitCode.CHECKPOINT
