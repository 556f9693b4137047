"""The reference of all commands, made from what Click knows of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from docs.generate.tables import table
from strmctl.cli.main import main

AS_IT_IS = "\b"  # Click's mark of a paragraph that is not wrapped


def commands() -> str:
    """A section for every command, and one below it for each of its subcommands."""
    return "\n\n".join(part for command, words in every_command(main) for part in _section(command, words))


def every_command(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[click.Command, tuple[str, ...]]]:
    """All commands below a group, each with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield command, (*words, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*words, name))


def _section(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(("strmctl", *words)))
    yield f"{'#' * (1 + len(words))} {' '.join(words)}"
    yield f"```text\n{' '.join(command.get_usage(context).removeprefix('Usage: ').split())}\n```"
    for text in (command.help or "", command.epilog or ""):
        for paragraph in filter(None, inspect.cleandoc(text).split("\n\n")):
            yield from _paragraph(paragraph)
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [(f"`{option}`", escaped(what)) for option, what in filter(None, records)]
    yield table(("option", "what it does"), rows)


def _paragraph(paragraph: str) -> Iterator[str]:
    """A paragraph of a help text as Markdown; one that keeps its lines becomes a line and a block of code."""
    if not paragraph.startswith(AS_IT_IS):
        yield escaped(paragraph)
        return
    lines = paragraph.removeprefix(AS_IT_IS).strip("\n").splitlines()
    code = [line for line in lines if line.startswith("  ")]
    first, last = lines.index(code[0]), len(lines) - lines[::-1].index(code[-1])
    yield escaped(" ".join(lines[:first]))
    yield "```text\n" + inspect.cleandoc("\n" + "\n".join(lines[first:last])) + "\n```"
    yield escaped(" ".join(lines[last:]))


def escaped(text: str) -> str:
    """Plain text as Markdown, with code in backticks as it is."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>\[\]#])", r"\\\1", part) for part in parts)


GENERATED = {"commands": commands}
