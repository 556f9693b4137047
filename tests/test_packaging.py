"""What comes with the tool is found from a wheel just as from a source tree."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import strmctl
from strmctl import yaml

ROOT = Path(__file__).parents[1]
FIND = (
    "import json, strmctl.paths, strmctl.recipe, strmctl.datasets.splits as splits\n"
    "print(json.dumps({'package': str(strmctl.paths.PACKAGE), 'recipes': sorted(strmctl.recipe.shipped_recipes()),"
    " 'splits': splits.known_splits(),"
    " 'papers': [strmctl.paths.shipped('reports', name).is_file() for name in ('paper.yaml', 'published.yaml')],"
    " 'loaded': strmctl.recipe.load_recipe('ssv2_r50').name, 'test': len(splits.load_split('ssv2').classes('test'))}))"
)


def find(path, cwd):
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else os.environ
    done = subprocess.run(
        [sys.executable, "-c", FIND], check=False, capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy: building leaves traces, and old traces would end up in the wheel
    for name in ("strmctl", "recipes", "splits", "reports"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    done = subprocess.run([sys.executable, "-m", "pip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("strmctl-*.whl"))


def installed_for_editing():
    """Whether pip says so; the source tree itself may hold metadata that do not say."""
    found = importlib.metadata.distributions(name="strmctl")
    origins = [json.loads(one.read_text("direct_url.json") or "{}") for one in found]
    return any(origin.get("dir_info", {}).get("editable", False) for origin in origins)


@pytest.mark.skipif(not installed_for_editing(), reason="strmctl is not installed with `pip install --editable`")
def test_a_wheel_finds_what_the_source_tree_finds(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    installed = find(tmp_path / "site", cwd=tmp_path)
    assert installed.pop("package") == str(tmp_path / "site" / "strmctl")
    editable = find(None, cwd=tmp_path)  # this environment's own installation
    assert editable.pop("package") == str(ROOT / "strmctl")
    assert installed == editable
    assert installed["recipes"] == sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
    assert installed["splits"] == sorted(path.stem for path in (ROOT / "splits").glob("*.yaml"))
    assert (installed["papers"], installed["loaded"], installed["test"]) == ([True, True], "ssv2_r50", 24)


def test_the_wheel_holds_no_tests_and_has_command_types_and_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        texts = {name.rpartition("/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        entry_points, metadata, licence = (
            archive.read(texts[name]).decode() for name in ("entry_points.txt", "METADATA", "LICENSE")
        )
        names = archive.namelist()
    assert all(name.startswith(("strmctl/", "strmctl-")) for name in names)
    assert "strmctl = strmctl.cli.main:main" in entry_points
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "strmctl").rglob("*") if path.is_file()}
    assert {name for name in here if "__pycache__" not in name} <= set(names)  # types and pages are no Python
    assert re.search(r"^License(-Expression)?: MIT$", metadata, re.MULTILINE)
    assert licence == (ROOT / "LICENSE").read_text() and "the strmctl authors" in licence


def test_the_citation_is_of_this_version():
    citation = yaml.load(ROOT / "CITATION.cff")
    assert (citation["version"], citation["license"], citation["type"]) == (strmctl.__version__, "MIT", "software")
    (paper,) = citation["references"]
    readme = (ROOT / "README.md").read_text()
    assert paper["title"] in readme
    assert [author["family-names"] for author in paper["authors"]] == re.findall(
        r"(\w+), \w", re.search(r"author *= \{(.*?)\}", readme, re.DOTALL)[1]
    )
