"""The commands and the Python of README and `docs/` run, on data so small that it takes seconds."""

import re
import shutil

import pytest

from tests.docs.pages import ROOT, text_of
from tests.docs.shown import shown
from tests.small_world import class_folders, evaluate, small, train
from tests.videos_for_tests import strmctl, write_video

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
    (runs / "strm").rename(runs / "sprites")
    shutil.copytree(runs / "sprites", runs / "strm")
    class_folders(folder / "my_actions", ["climb_stairs", "pour", "shoot_bow"], clips=2)
    class_folders(folder / "clips", [f"action_{number}" for number in range(9)], clips=1)
    for name in ("new/01.mp4", "clip.mp4", "my_clip.mp4", *(f"data/videos/sprites/{x}.mp4" for x in SPRITES)):
        write_video(folder / name, frames=10)
    write_video(folder / "long.mp4", frames=30)
    return folder


SPRITES = ("drop/000", "drop/001", "lift/000")


@pytest.mark.slow
def test_the_commands_run(world, monkeypatch):
    monkeypatch.chdir(world)
    failed = []
    for command in {command.line: command for command in shown() if not command.needs}.values():
        for words in command.parts():
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
