"""Every command that README, CONTRIBUTING and `docs/` show is one, and runs, or says what it needs."""

import re
import shutil

import click
import pytest

from docs.generate.commands import every_command
from strmctl.cli.main import COMMANDS, main
from strmctl.errors import StrmctlError
from strmctl.recipe import load_recipe, shipped_recipes
from tests.docs.pages import ROOT, text_of
from tests.docs.shown import MAKEFILE, SETUP, Shown, shown
from tests.small_world import class_folders, evaluate, small, train
from tests.videos_for_tests import strmctl, write_video

LINES = shown()
CPU = ["--device", "cpu"]
TEST = ["--way", "2", "--shots", "1", "--episodes", "20", "--no-pictures", *CPU]
GRID = [*small("data.dataset=mine"), "--way", "2", "--shots", "1", "--episodes", "20", *CPU]
SMALLER = {  # what makes a command of the docs a matter of seconds
    "train": [*small("data.dataset=mine"), *CPU],
    "eval": TEST,
    "classify": CPU,
    "viz": CPU,
    "ablate": [*GRID, "--seeds", "0"],
    "prepare": ["--size", "32", "--workers", "1"],
    "data": ["--workers", "1"],
}


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


@pytest.fixture(scope="module")
def world(data, tmp_path_factory):
    """A folder in which the commands of the docs find what they name."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(data, folder / "data")
    runs = folder / "runs"
    for method in ("strm", "trx"):
        for seed in (0, 1):
            changes = (f"method={method}", f"train.seed={seed}", "name=both")
            ran = train(data, runs, "--recipe", "sprites", "--name", f"{method}-{seed}", changes=changes)
            assert ran.code == 0, ran.err
            assert evaluate(data, runs, "--run", f"{method}-{seed}").code == 0
        shutil.copytree(runs / f"{method}-0", runs / method)
    shutil.copytree(runs / "strm", runs / "demo")
    (runs / "latest").unlink()
    (runs / "strm").rename(runs / "sprites")
    shutil.copytree(runs / "sprites", runs / "strm")
    class_folders(folder / "my_actions", ["climb_stairs", "pour", "shoot_bow"], clips=2)
    class_folders(folder / "clips", [f"action_{number}" for number in range(9)], clips=1)
    for name in ("new/01.mp4", "clip.mp4", "my_clip.mp4", *(f"data/videos/sprites/{x}.mp4" for x in SPRITES)):
        write_video(folder / name, frames=10)
    write_video(folder / "long.mp4", frames=30)
    (folder / "methods.yaml").write_text("cells: {TRX: {method: trx}, STRM: {method: strm}}\n")
    return folder


SPRITES = ("drop/000", "drop/001", "lift/000")


@pytest.mark.slow
def test_the_commands_run(world, monkeypatch):
    monkeypatch.chdir(world)
    failed = []
    for command in LINES:
        for words in [] if command.needs else command.parts():
            assert words[0] == "strmctl", "say why it is not run"
            ran = strmctl(*words[1:], *smaller(words))
            failed += [(command.page, command.line, ran.err)] if ran.code else []
            for name in re.findall(r" > (\S+)", command.line):
                (world / name).write_text(ran.out)
    assert failed == []


def smaller(words):
    """Words that make a command small."""
    if "--episodes-from" in words:
        return [*CPU, "--no-pictures", "--shots", "1"]
    return [] if words[1:3] == ["data", "show"] else SMALLER.get(words[1], [])


PYTHON = [
    (name, code)
    for name in ("README.md", "docs/start.md")
    for code in re.findall(r"^```python\n(.*?)^```$", text_of(ROOT / name), re.MULTILINE | re.DOTALL)
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "code"), PYTHON)
def test_python_runs(page, code, world, monkeypatch, capsys):
    monkeypatch.chdir(world)
    exec(compile(code, page, "exec"), {})  # noqa: S102
    numbers = [float(number) for number in re.findall(r"0\.\d+", capsys.readouterr().out)]
    assert numbers and all(0 <= number <= 1 for number in numbers)
    assert page != "README.md" or sum(numbers) == pytest.approx(1, abs=1e-3)
