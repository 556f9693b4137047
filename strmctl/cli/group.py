"""Groups of subcommands, which answer an unknown one with the name that is most like it."""

from __future__ import annotations

import sys

import click

from strmctl.errors import UsageError, did_you_mean


class Group(click.Group):
    """A group whose unknown subcommands are errors of ours, and whose help lists them in whole sentences."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """As in Click, which cuts off what is longer than a line."""
        commands = {name: self.get_command(context, name) for name in self.list_commands(context)}
        rows = [(name, command.get_short_help_str(sys.maxsize)) for name, command in commands.items() if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in Click.

        Raises:
            UsageError: there is no such subcommand.
        """
        name = words[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            guess = did_you_mean(self.deep_names(context), name)
            raise UsageError(f"No such command {name!r}", f"{guess}`{context.command_path} --help` lists them")
        return super().resolve_command(context, words)

    def deep_names(self, context: click.Context) -> list[str]:
        """Names of the subcommands and, as `data check`, of theirs."""
        names = []
        for name in self.list_commands(context):
            command = self.get_command(context, name)
            inner = command.list_commands(context) if isinstance(command, click.Group) else []
            names += [name, *(f"{name} {sub}" for sub in inner)]
        return names
