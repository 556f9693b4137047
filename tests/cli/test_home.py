"""`~` in every path, whoever hands it over: an option after `=`, the environment, a recipe."""

import pwd
from pathlib import Path

import click
import pytest

from strmctl.cli.main import COMMANDS, main
from strmctl.cli.options import RECIPE, HomePath
from strmctl.errors import UsageError
from strmctl.paths import with_home
from tests.small_world import refused
from tests.videos_for_tests import strmctl

PATHS = {"FILE", "FOLDER", "DIR", "ZIP", "PATH"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder that is also the current one, so that a folder called `~` would be found."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def parameters(command, words=()):
    """(words of the command, parameter) of a command and all below it."""
    for parameter in command.params:
        yield words, parameter
    for name in getattr(command, "commands", {}):
        yield from parameters(command.commands[name], (*words, name))


def all_parameters():
    context = click.Context(main)
    return [pair for name in COMMANDS for pair in parameters(main.get_command(context, name), (name,))]


def test_every_parameter_that_is_a_path_knows_the_home_folder(home):
    found = 0
    for words, parameter in all_parameters():
        place = " ".join((*words, parameter.name))
        assert type(parameter.type) is not click.Path, place
        named = PATHS & set(parameter.make_metavar(click.Context(main)).replace("[", "").replace("]", "").split("|"))
        if named or isinstance(parameter.type, HomePath):
            several = parameter.multiple if isinstance(parameter, click.Option) else parameter.nargs != 1
            value = parameter.type_cast_value(click.Context(main), ["~/x"] if several else "~/x")
            value = value[0] if several else value
            assert value == type(value)(home / "x"), place
            found += 1
    assert found > 30


def test_what_is_not_at_the_beginning_stays(home):
    for path in ("./~", "./~/x", "a/~", "a~", "", "-~", "x/~root"):
        assert with_home(path) == path
    assert with_home("~") == str(home) and with_home("~/") == f"{home}/"
    assert with_home("~root/x") == f"{pwd.getpwnam('root').pw_dir}/x"
    with pytest.raises(UsageError, match="~nobody-here is not known"):
        with_home("~nobody-here/x")
    with pytest.raises(UsageError, match="holds a NUL"):
        with_home("a\0b")
    (home / "~mine").touch()
    assert with_home("~mine") == "~mine"
    assert isinstance(HomePath().convert(Path("~/x"), None, None), Path)
    assert RECIPE.convert("sprites", None, None) == "sprites"


def test_commands_look_in_the_home_folder(home, monkeypatch):
    elsewhere = ("--runs=~/runs", "--data=~/data")
    refused(strmctl("eval", *elsewhere), 3, f"no run yet in {home / 'runs'}")
    refused(strmctl("train", "--recipe", "sprites", *elsewhere), 3, home / "data" / "sprites")
    monkeypatch.setenv("STRMCTL_DATA", "~/env")
    refused(strmctl("train", "--recipe", "sprites", "--runs=~/runs"), 3, home / "env" / "sprites")
    refused(strmctl("data", "check"), 3, f"no frame store in {home / 'env'}")
    refused(strmctl("prepare", "~/clips", "--name=mine", "--data=~/data"), 3, home / "clips")
    refused(strmctl("recipe", "show", "~/mine.yaml"), 4, home / "mine.yaml")
    refused(strmctl("viz", "--video=~nobody-here/x.mp4"), 2, "~nobody-here", "./~nobody-here/x.mp4")
    assert not list(home.glob("~*"))
