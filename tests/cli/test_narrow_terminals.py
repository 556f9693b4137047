"""The tables of all commands on terminals of 60 and 80 columns, and in a pipe."""

import subprocess
import sys

import pytest

from tests.small_world import class_folders, train
from tests.terminal import ESCAPE, on_terminal

pytestmark = pytest.mark.slow
# each command in one process, its messages left out
SCRIPT = """
import io, os, sys
from strmctl.cli.main import main
sys.stderr = io.StringIO()
os.chdir(sys.argv[1])
for line in sys.argv[2:]:
    try:
        main(line.split())
    except SystemExit as end:
        said, sys.stderr = sys.stderr, sys.__stderr__
        assert end.code == 0, (line, said.getvalue())
        sys.stderr = said
"""
COMMANDS = (
    "eval --way 2 --shots 1,2 --episodes 40 --no-pictures",
    "eval --way 2 --shots 1,2 --episodes 40 --no-pictures --wide",
    "eval --run sprites --run other --way 2 --shots 1,2 --episodes 40 --no-pictures",
    "runs",
    "compare sprites other",
    "data check mine --quick --workers 1",
    "prepare ./videos --name long --size 32 --dry-run --workers 1",
    "recipe ls",
    "classify --examples own --run sprites videos own/up/0.mp4",
)


@pytest.fixture
def folder(tmp_path, own_data, runs):
    """A folder with `data`, two `runs` and `videos`."""
    ran = train(own_data, runs, "--recipe", "sprites", "--name", "other", changes=("train.seed=1",))
    assert ran.code == 0, ran.err
    own_data.rename(tmp_path / "data")
    class_folders(tmp_path / "videos", ["Moving something across a surface until it falls down"], clips=1)
    class_folders(tmp_path / "own", ["up", "down", "left"], clips=2)
    return tmp_path


def words(text):
    """What stands between blanks, without the rules of tables."""
    return {word for word in text.split() if word.strip("─")}


def test_no_table_breaks_inside_a_word_or_is_wider_than_the_terminal(folder):
    command = [sys.executable, "-c", SCRIPT, folder, *COMMANDS]
    piped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert piped.returncode == 0, piped.stderr
    piped = piped.stdout
    row = next(line for line in piped.splitlines() if "until it falls down" in line)
    assert row.split("down")[1].split() == ["-", "1"], row  # a row is a line
    for columns in (60, 80):
        code, printed = on_terminal("-c", SCRIPT, folder, *COMMANDS, columns=columns)
        shown = ESCAPE.sub("", printed)
        assert code == 0 and words(shown) == words(piped), shown
        assert max(len(line) for line in shown.splitlines()) <= columns, shown
        accuracies = [line for line in shown.splitlines() if line.startswith((" 1 ", " 2 ")) and "±" in line]
        assert len(accuracies) >= 2, shown
