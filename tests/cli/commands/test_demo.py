import importlib
import json

import click
import pytest
from click.testing import CliRunner

from strmctl.cli.commands import demo
from strmctl.cli.main import main


@pytest.fixture
def steps(monkeypatch):
    taken = []

    def record(title, name, *words):
        command = importlib.import_module(f"strmctl.cli.commands.{name}").command
        command.make_context(name, list(words))  # the real parser: what is shown must be what one can type
        taken.append((name, words))

    monkeypatch.setattr(demo, "_step", record)
    return taken


def run(tmp_path):
    return CliRunner().invoke(main, ["demo", "--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs")])


def test_the_demo_is_commands_that_one_can_type(steps, tmp_path):
    done = run(tmp_path)
    assert done.exit_code == 0, done.stderr
    assert [name for name, _ in steps] == ["prepare", "train", "eval", "viz"]
    assert "--recipe" in steps[1][1]
    assert "Guessing would be right in 20 %" in done.stderr


def test_a_demo_that_was_killed_goes_on(steps, tmp_path):
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "recipe.yaml").write_text("")
    assert run(tmp_path).exit_code == 0
    assert "--resume" in steps[1][1]
    assert "--recipe" not in steps[1][1]


def test_an_earlier_result_is_shown_only_for_the_same_weights(steps, tmp_path):
    folder, store = tmp_path / "runs" / "demo", tmp_path / "data" / "sprites"
    (folder / "eval").mkdir(parents=True)
    store.mkdir(parents=True)
    (store / "manifest.csv").write_bytes(b"abc")
    (folder / "recipe.yaml").write_text("")
    (folder / "weights.pt").write_bytes(b"abc")
    figures = [
        {"shot": shot, "accuracy": 0.71, "ci95": 0.004, "episodes": 10_000, "queries": 50_000, "per_class": {}}
        for shot in (1, 5)
    ]
    document = {"schema": 1, "run": "demo", "dataset": "sprites", "split": "test", "way": 5, "queries": 1}
    document |= {"episodes": 10_000, "seed": 0, "results": figures}
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    same, other = {"weights_sha256": abc, "manifest_sha256": abc}, "0" * 64
    for change, again in (
        ({"provenance": same}, False),
        ({"provenance": same | {"weights_sha256": other}}, True),
        ({"provenance": same | {"manifest_sha256": other}}, True),
        ({"provenance": same, "episodes": 50}, True),
        ({"provenance": same, "results": figures[:1]}, True),
    ):
        steps.clear()
        text = json.dumps(document | change)
        (folder / "eval" / "test_5way_1q_s0.json").write_text(text)
        done = run(tmp_path)
        assert done.exit_code == 0, done.stderr
        assert ("eval" in [name for name, _ in steps]) == again
        assert ("71.00" in done.stdout) == (not again)


def test_the_steps_of_the_demo_raise_their_errors(tmp_path):
    with pytest.raises(click.UsageError):
        demo._step("a step", "train", "--no-such-option")
