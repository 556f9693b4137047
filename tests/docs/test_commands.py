"""Every command that README, CONTRIBUTING and `docs/` show is one, and runs, or says what it needs."""

import re

import click
import pytest

from docs.generate.commands import every_command
from strmctl.cli.main import COMMANDS, main
from strmctl.errors import StrmctlError
from strmctl.recipe import load_recipe, shipped_recipes
from tests.docs.pages import ROOT, text_of
from tests.docs.shown import MAKEFILE, SETUP, Shown, shown

LINES = shown()


def understood(words, group=main):
    """The values of all parameters of a command; it is not run."""
    context = click.Context(group, info_name=group.name)
    name, command, rest = group.resolve_command(context, words)
    if isinstance(command, click.Group):
        return understood(rest, command)
    return command.make_context(name, rest, parent=context).params


@pytest.mark.parametrize("command", LINES, ids=lambda one: f"{one.page}: {one.line[:60]}")
def test_every_command_is_understood(command):
    for words in command.parts():
        if words[0] == "make":
            assert re.search(rf"^{re.escape(words[1])}:", MAKEFILE, re.MULTILINE)
        elif words[0] == "pip":
            extras = [extra for word in words for group in re.findall(r"\[(.+)\]", word) for extra in group.split(",")]
            assert all(f'"{extra}": ' in SETUP for extra in extras)
        elif "strmctl" in words:
            values = understood(words[words.index("strmctl") + 1 :])
            recipe = values.get("recipe")
            if recipe in shipped_recipes() and "oneframe" not in command.line:
                load_recipe(recipe, values.get("assignments", ()))


def test_wrong_commands_are_noticed():
    for line in ("strmctl evil", "strmctl eval --shot 1", "strmctl eval --episodes many", "strmctl data chek"):
        with pytest.raises((click.UsageError, StrmctlError)):
            test_every_command_is_understood(Shown("", line, ""))
    with pytest.raises(StrmctlError):
        test_every_command_is_understood(Shown("", "strmctl train --recipe sprites --set train.episode=1", ""))
    with pytest.raises(AssertionError):
        test_every_command_is_understood(Shown("", "make nothing", ""))


def test_every_command_of_the_tool_is_shown():
    words = [words for line in LINES if line.page != "docs/commands.md" for words in line.parts() if "strmctl" in words]
    assert {one[one.index("strmctl") + 1] for one in words} == set(COMMANDS)


def test_the_reference_is_complete():
    reference = text_of(ROOT / "docs" / "commands.md")
    found = 0
    for command, words in every_command(main):
        section = reference.partition(f"\n{'#' * (1 + len(words))} {' '.join(words)}\n")[2].partition("\n## ")[0]
        section = section.partition("\n### ")[0]
        options = [option for one in command.params for option in one.opts if option.startswith("--")]
        assert section and [option for option in options if option not in section] == [], words
        found += len(options)
    assert found > 150
