"""What README and CONTRIBUTING name is there, and no folder holds more files than a reader takes in at a glance."""

import re
from collections import Counter
from pathlib import Path

import pytest

from strmctl.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "strmctl"


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_path_that_is_named_exists(name):
    text = text_of(name)
    links = {*re.findall(r'(?:\]\(|src=")([^)#"]+)[)"]', text)}
    code = {word for word in re.findall(r"`([\w./-]+)`", text) if word.endswith((".py", "/"))}
    code -= {"eval/", "cache/", "viz/"}  # folders of a run
    places = [ROOT, PACKAGE, *PACKAGE.iterdir()]
    assert links | code
    assert [path for path in sorted(links) if not (ROOT / path).exists()] == []
    assert [path for path in sorted(code) if not any((place / path).exists() for place in places)] == []


def test_contributing_describes_every_folder_from_the_top_down():
    layout = text_of("CONTRIBUTING.md").partition("## Layout")[2].partition("## Rules")[0]
    named = re.findall(r"^\| `(\w+)/` \|", layout, re.MULTILINE)
    layers = re.search(r'^layers = \[\n    "cli",(.*?)\]', text_of("pyproject.toml"), re.MULTILINE | re.DOTALL)[0]
    order = [folder for folder in re.findall(r"\w+", layers) if (PACKAGE / folder).is_dir()]
    assert named == order
    assert set(order) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_the_readme_shows_every_command():
    assert set(COMMANDS) <= set(re.findall(r"strmctl (\w+)", text_of("README.md")))


def test_no_folder_holds_more_than_16_python_files():
    counts = Counter(str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
    assert {folder: count for folder, count in counts.items() if count > 16} == {}
    assert len(counts) > 20  # the walk found the package


def test_a_recipe_names_its_frames_in_one_place():
    """Whoever opens the store of a recipe by its name alone forgets the fold."""
    places = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if re.search(r"FrameStore\.open\([^\n]*data\.dataset", path.read_text(encoding="utf-8"))
    ]
    assert places == ["runs/build.py"]
