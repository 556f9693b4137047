"""Errors that a user can mend, each with the exit code that scripts rely on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum

SAME_COMMAND = "what was finished is kept, and the same command goes on from there"  # the command line knows better
MOST_GUESSES = 4  # more names than these are no guess


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


def did_you_mean(known: Iterable[str], *words: str) -> str:
    """`did you mean eval? `: for each unknown word the known names that are most like it; empty when none is.

    Neither case nor `_`, `-` and blanks make a difference. A word that is the last part of names, as `shot` is of
    `train.shot`, means these.
    """
    from difflib import get_close_matches

    whole = {_spelling(name): name for name in known}
    names: dict[str, list[str]] = {}  # spellings of names, and of last parts that are no name -> names
    for spelling, name in whole.items():
        last = re.split("[. ]", spelling)[-1]
        for form in {spelling} if last in whole else {spelling, last}:
            names.setdefault(form, []).append(name)
    near = [
        name
        for word in map(_spelling, words)
        for spelling in ([word] if word in names else get_close_matches(word, names, n=1))
        for name in names[spelling]
    ]
    return f"did you mean {' or '.join(dict.fromkeys(near))}? " if 0 < len(near) <= MOST_GUESSES else ""


def _spelling(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def in_one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, StrmctlError):
        text = error.message
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def not_drawn(picture: object, error: BaseException) -> str:
    """What is said of a picture that fails."""
    return f"the picture {picture} was not drawn: {in_one_line(error)}"


class Note(UserWarning):
    """What a command should know about, though it goes on: a file system without locks, a wait for another process."""


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
