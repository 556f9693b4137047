"""The Python interface: instant to import, typed, and every example in it runs."""

import ast
import doctest
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import strmctl
from tests.small_world import class_folders, evaluate, train
from tests.videos_for_tests import write_video

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "pandas", "matplotlib", "cv2", "numpy", "pydantic", "scipy")


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, strmctl\nprint(sorted({set(HEAVY)} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_editors_see_the_names_that_python_imports():
    tree = ast.parse(Path(strmctl.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == {name: f"strmctl.{module}" for name, module in strmctl._MODULES.items()}
    assert sorted(seen) == strmctl.__all__ and set(seen) <= set(dir(strmctl))
    for name, module in seen.items():
        assert getattr(strmctl, name) is getattr(import_module(module), name)
    with pytest.raises(AttributeError, match="no attribute 'load_runs'"):
        strmctl.load_runs  # noqa: B018


@pytest.fixture(scope="module")
def world(data, tmp_path_factory):
    """A folder with `clip.mp4`, class folders in `examples`, the store `mine` in `data`, and tested runs in `runs`."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(data, folder / "data")
    write_video(folder / "clip.mp4", frames=10)
    class_folders(folder / "examples", ["hop", "run", "sit"])
    for name in ("strm", "trx"):
        ran = train(data, folder / "runs", "--recipe", "sprites", "--name", name, changes=(f"method={name}",))
        assert ran.code == 0, ran.err
        assert evaluate(data, folder / "runs").code == 0
    return folder


@pytest.mark.parametrize("name", strmctl.__all__)
def test_the_example_of_each_name_runs(name, world, monkeypatch, capsys):
    monkeypatch.chdir(world)
    names = {"Path": Path, "strmctl": strmctl, "torch": torch}
    example = doctest.DocTestParser().get_doctest(getattr(strmctl, name).__doc__, names, name, None, None)
    assert any(f"strmctl.{name}" in line.source for line in example.examples), f"{name} has no example"
    assert doctest.DocTestRunner().run(example).failed == 0, capsys.readouterr().out
