"""What a shell completes: commands, options, recipes, runs, grids, data sets, frame stores and methods."""

import os
import re
import subprocess
import sys

import click
import pytest

from strmctl.cli.main import COMPLETION, main
from strmctl.cli.options import Name

RUN = "import sys\nsys.argv[0] = 'strmctl'\nfrom strmctl.cli.main import main\n{}"
HEAVY = ("torch", "torchvision", "pandas", "matplotlib", "cv2", "numpy", "pydantic", "rich")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with runs, a grid, and frame stores, as far as a completion looks at them."""
    for file in (
        "runs/one/recipe.yaml",
        "runs/other/recipe.yaml",
        "runs/ours/grid.json",
        "runs/.maps/x",
        "data/mine/x",
    ):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("")
    (tmp_path / "data/mine/manifest.csv").write_text("")
    (tmp_path / "elsewhere/third").mkdir(parents=True)
    (tmp_path / "elsewhere/third/recipe.yaml").write_text("")
    (tmp_path / "data/videos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completed(line, code="main()"):
    """What bash would be offered for a line that ends where the cursor is."""
    words = line.split(" ")
    asked = {"_STRMCTL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-c", RUN.format(code)]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [item.partition(",")[2] for item in done.stdout.split()]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("strmctl comp", ["compare"]),
        ("strmctl train --rec", ["--recipe"]),
        ("strmctl train --recipe jhmdb_l", ["jhmdb_lite", "jhmdb_lite_trm", "jhmdb_l"]),  # the last: files as well
        ("strmctl eval --run o", ["one", "other"]),
        ("strmctl eval --runs elsewhere --run ", ["third"]),
        ("strmctl eval --dataset ", ["mine"]),
        ("strmctl report o", ["one", "other", "ours"]),
        ("strmctl compare one,ot", ["one,other"]),
        ("strmctl prepare ssv2_", ["ssv2_small", "ssv2_"]),
        ("strmctl ablate shots --methods strm,ota", ["strm,otam"]),
    ],
)
def test_what_is_there_is_offered(folder, line, offered):
    assert completed(line) == offered


def test_it_is_fast(folder):
    code = f"try:\n    main()\nfinally:\n    print([name for name in {HEAVY} if name in sys.modules])"
    assert completed("strmctl train --recipe ucf101_r", code)[:-1] == ["ucf101_r50", "ucf101_r"]


def test_a_folder_that_is_none_offers_nothing(folder):
    (folder / "file").write_text("")
    assert completed("strmctl eval --runs file --run ") == []


def commands(group, path=()):
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield from commands(command, (*path, name)) if isinstance(command, click.Group) else [((*path, name), command)]


def test_every_recipe_run_and_data_set_that_a_command_names_is_offered():
    """`--name` of commands that make something new is no such name."""
    named = re.compile(r"--(run|recipe|dataset|methods|contributions)|what|method")
    missing = [
        f"{' '.join(path)} {parameter.opts[0]}"
        for path, command in commands(main)
        for parameter in command.params
        if named.fullmatch(parameter.opts[0]) and not isinstance(parameter.type, Name)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("shell", "line"), [("bash", "bash_source strmctl"), ("zsh", "zsh_source"), ("fish", "fish_source")]
)
def test_the_help_says_how_to_switch_it_on(shell, line):
    assert line in COMPLETION
    command = [sys.executable, "-c", RUN.format("main()")]
    environment = os.environ | {"_STRMCTL_COMPLETE": f"{shell}_source"}
    script = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert f"_STRMCTL_COMPLETE={shell}_complete" in script
