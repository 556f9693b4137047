"""What pages name in code is there, and no folder holds more files than a reader takes in at a glance."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.pages import SHOWN, name_of, text_of

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "strmctl"


@pytest.mark.parametrize("page", SHOWN, ids=name_of)
def test_every_path_in_code_exists(page):
    """Links are looked at in `tests/docs/test_links.py`."""
    code = {word for word in re.findall(r"`([\w./-]+)`", text_of(page)) if word.endswith((".py", ".ipynb", "/"))}
    code -= {"eval/", "cache/", "viz/", "runs/NAME/"}  # folders of a run
    places = [ROOT, PACKAGE, *PACKAGE.iterdir()]
    assert [path for path in sorted(code) if not any((place / path).exists() for place in places)] == []


def test_contributing_describes_every_folder_from_the_top_down():
    layout = text_of(ROOT / "CONTRIBUTING.md").partition("## Layout")[2].partition("## Rules")[0]
    named = re.findall(r"^\| `(\w+)/` \|", layout, re.MULTILINE)
    layers = re.search(
        r'^layers = \[\n    "cli",(.*?)\]',
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )[0]
    order = [folder for folder in re.findall(r"\w+", layers) if (PACKAGE / folder).is_dir()]
    assert named == order
    assert set(order) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_times_agree():
    """What takes how long is said in several places, and is measured in one."""
    demo = (PACKAGE / "cli" / "commands" / "demo.py").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "three minutes on two cores" in demo and "three minutes on two CPU cores" in readme
    said = re.search(r"in about (\d+) minutes on two CPU cores", text_of(ROOT / "docs" / "ablations.md"))[1]
    assert f"about {said} minutes" in text_of(ROOT / "reports" / "sprites" / "README.md")
    said = re.search(
        r"`make reproduce-real VIDEOS=DIR` does it on JHMDB, in (\d+) minutes", text_of(ROOT / "docs/ablations.md")
    )
    assert f"add up to {said[1]} minutes" in text_of(ROOT / "reports" / "real" / "README.md")


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
