import importlib

import click
import pytest
from click.testing import CliRunner

from strmctl.cli.commands import demo
from strmctl.cli.main import main
from strmctl.paths import write_text
from tests.saved import result_of, rows_of


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
    write_text(tmp_path / "runs" / "demo" / "recipe.yaml", "")
    assert run(tmp_path).exit_code == 0
    assert "--resume" in steps[1][1]
    assert "--recipe" not in steps[1][1]


def test_an_earlier_result_is_shown_only_for_the_same_weights(steps, tmp_path):
    folder, store = tmp_path / "runs" / "demo", tmp_path / "data" / "sprites"
    write_text(store / "manifest.csv", "abc")
    write_text(folder / "weights.pt", "abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    rows = rows_of(1.0, shots=(1, 5))
    for change, again in (
        ({}, False),
        ({"weights_sha256": "0" * 64}, True),
        ({"manifest_sha256": "0" * 64}, True),
        ({"episodes": 50}, True),
        ({"rows": [row for row in rows if row.shot == 1]}, True),
    ):
        steps.clear()
        settings = {"rows": rows, "episodes": 10_000, "weights_sha256": abc, "manifest_sha256": abc} | change
        result_of("demo", **settings).write(folder / "eval" / "test_5way_1q_s0")
        done = run(tmp_path)
        assert done.exit_code == 0, done.stderr
        assert ("eval" in [name for name, _ in steps]) == again
        assert ("100.00" in done.stdout) == (not again)


def test_the_steps_of_the_demo_raise_their_errors(tmp_path):
    with pytest.raises(click.UsageError):
        demo._step("a step", "train", "--no-such-option")
