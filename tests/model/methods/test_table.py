"""The table of methods is the only list of them, so that a new method is one file and one entry."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from strmctl.model.methods.table import METHODS
from strmctl.recipe import load_recipe
from tests.small_world import small

PAGE = (Path(__file__).parents[3] / "docs" / "new_method.md").read_text(encoding="utf-8")
FILE, ENTRY = re.findall(r'^```python title="\w+\.py"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = """
import json, sys
{entry}
from strmctl.cli.main import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as end:
        if end.code:
            raise
"""


@pytest.mark.slow
def test_a_new_method_is_one_file_and_one_entry(data, tmp_path):
    (tmp_path / "one_frame.py").write_text(FILE)
    words = ["--data", data, "--runs", tmp_path / "runs", "--device", "cpu"]
    made = ["--recipe", "sprites", *small("data.dataset=mine"), *words]
    test = ["--way", 2, "--shots", 1, "--episodes", 20]
    commands = [
        ["recipe", "--help"],
        ["train", *made, "--set", "method=oneframe", "--set", "oneframe.frame=3"],
        ["eval", *test, "--no-pictures", *words],
        ["ablate", "shots", "--methods", "oneframe,trm", "--threads", 1, *test, *made],
        ["report", "sprites", "sprites-shots", "--runs", tmp_path / "runs", "--out", tmp_path / "report"],
    ]
    command = [sys.executable, "-c", COMMANDS.format(entry=ENTRY), json.dumps(commands, default=str)]
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": paths}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "oneframe" in done.stdout and "a single frame of each clip" in done.stdout
    recipe = (tmp_path / "runs" / "sprites" / "recipe.yaml").read_text()
    assert "method: oneframe\n" in recipe and "oneframe:\n  frame: 3\n" in recipe
    assert len(list((tmp_path / "runs" / "sprites" / "eval").glob("*.json"))) == 1
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    assert list(document["shots"]) == ["TRM", "One frame"]
    assert [run["method"] for run in document["runs"]] == ["oneframe"]
    assert "One frame" in (tmp_path / "report" / "index.html").read_text()


def test_a_recipe_may_leave_out_the_sections_of_other_methods(tmp_path):
    defaults = [f"{name}.{key}={own.default}" for name, method in METHODS.items() for key, own in method.keys.items()]
    whole = load_recipe("sprites", defaults)
    text = whole.to_yaml()
    for name, method in METHODS.items():
        keys = "".join(f"  {key}: {own.default}\n" for key, own in method.keys.items())
        assert not keys or f"{name}:\n{keys}" in text
        text = text.replace(f"{name}:\n{keys}", "") if keys else text
    (tmp_path / "short.yaml").write_text(text)
    assert load_recipe(tmp_path / "short.yaml") == whole
    assert load_recipe(tmp_path / "short.yaml", ["method=otam", "otam.smoothing=0.2"]).otam.smoothing == 0.2
