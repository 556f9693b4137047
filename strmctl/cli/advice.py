"""Commands in hints, made to work as they stand: with the folders that this command was given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import click

FOLDERS = ("--data", "--runs")
AS_IT_IS = {"DIR", "FILE", "FOLDER", "NAME", "--help"}  # words of a command that is none yet, or needs no folder
COMMAND = re.compile(r"`(strmctl [^`]+)`")


def with_folders(hint: str, words: Sequence[str], options_of: Callable[[list[str]], Collection[str]]) -> str:
    """A hint whose commands name the folders of data and of runs that the command at hand names.

    Args:
        hint: a text with commands in backticks.
        words: the command at hand, without the program.
        options_of: callable that gives the options of a command in words.
    """
    given = {}
    for position, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in FOLDERS:
            given[option] = value if equals else "".join(words[position + 1 : position + 2])

    def complete(command: re.Match[str]) -> str:
        try:
            parts = shlex.split(command[1])
        except ValueError:
            return command[0]
        known = [] if AS_IT_IS & {*parts} else options_of(parts[1:])
        more = [word for option in given if option in known and option not in parts for word in (option, given[option])]
        return f"`{command[1]}{''.join(f' {shlex.quote(word)}' for word in more)}`"

    return COMMAND.sub(complete, hint)


def elsewhere(**folders: Path) -> str:
    """The options of those folders that are not where commands look for them, such as ` --runs mine`.

    Args:
        **folders: `data` or `runs`, and where that is.
    """
    words = [word for name, folder in folders.items() if folder != Path(name) for word in (f"--{name}", str(folder))]
    return "".join(f" {shlex.quote(word)}" for word in words)


def options_of(group: click.Group, words: Sequence[str]) -> set[str]:
    """The options of a subcommand in words."""
    command: click.Command = group
    context = click.Context(group)
    for word in words:
        inner = command.get_command(context, word) if isinstance(command, click.Group) else None
        if inner is None:
            break
        command = inner
    return {option for parameter in command.params for option in parameter.opts}
