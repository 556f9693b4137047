import json
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from strmctl.cli import main as main_module
from strmctl.cli.main import COMMANDS, main
from strmctl.errors import CheckpointError, DataError, OutputError, RecipeError, UsageError

HEAVY = ("torch", "torchvision", "timm", "huggingface_hub", "pandas", "matplotlib", "cv2", "numpy", "pydantic", "rich")


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom strmctl.cli.main import COMMANDS, main\n"
        "for words in ([], *([name] for name in COMMANDS)):\n"
        "    try:\n        main([*words, '--help'])\n    except SystemExit as end:\n        assert end.code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_is_listed_and_explains_itself_with_an_example():
    listed = CliRunner().invoke(main, ["--help"]).stdout
    for name in COMMANDS:
        shown = CliRunner().invoke(main, [name, "--help"]).stdout
        assert f"\n  {name} " in listed and f"  strmctl {name}" in shown and "Example" in shown, name


def failing(error):
    @click.command()
    @click.option("--json", is_flag=True)
    def command(json):
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutputError("m", "h"), 1),
        (UsageError("m", "h"), 2),
        (DataError("m", "h"), 3),
        (RecipeError("m", "h"), 4),
        (CheckpointError("m", "h"), 5),
        (ValueError("m"), 1),
        (OSError(28, "No space left on device", "/x/y"), 1),
        (click.UsageError("m"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes_and_messages(monkeypatch, error, code):
    monkeypatch.setattr(main_module.LazyGroup, "get_command", lambda *_: failing(error))
    plain = CliRunner().invoke(main, ["train"])
    assert plain.exit_code == code
    assert plain.stdout == ""
    assert plain.stderr.lstrip().startswith("error: ")
    assert "Traceback" not in plain.stderr
    document = json.loads(CliRunner().invoke(main, ["train", "--json"]).stdout)["error"]
    assert set(document) == {"message", "hint", "exit_code"}
    assert document["exit_code"] == code
    assert document["message"]


def test_a_full_disk_names_the_file():
    message, hint, _ = main_module._describe(OSError(28, "No space left on device", "/x/y"))
    assert message == "No space left on device: /x/y"
    assert "make room" in hint


def test_traceback_on_request(monkeypatch):
    monkeypatch.setattr(main_module.LazyGroup, "get_command", lambda *_: failing(DataError("m")))
    assert "Traceback" in CliRunner().invoke(main, ["--traceback", "train"]).stderr


@pytest.mark.parametrize("columns", [60, 80, 110])
def test_help_lists_subcommands_in_whole_sentences(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    groups = {(): main} | {(name,): main.get_command(click.Context(main), name) for name in COMMANDS}
    for words, group in groups.items():
        shown = " ".join(CliRunner().invoke(main, [*words, "--help"], terminal_width=columns).stdout.split())
        for name in group.list_commands(click.Context(group)) if isinstance(group, click.Group) else []:
            command = group.get_command(click.Context(group), name)
            paragraph = " ".join((command.short_help or command.help).partition("\n\n")[0].split())
            sentence = re.split(r"(?<=\.) ", paragraph)[0].rstrip(".")
            assert f" {name} {sentence}" in shown, (words, name)


@pytest.mark.parametrize(("words", "said"), [([], "Usage: "), (["recipe"], "Usage: "), (["trian"], "error: ")])
def test_without_a_command_there_is_help(words, said):
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 2 and shown.stderr.startswith(said)


def test_without_a_command_three_examples_come_first():
    shown = CliRunner().invoke(main, []).stderr.partition("\nCommands:\n")
    assert shown[2] and len(re.findall(r"^    strmctl ", shown[0], re.MULTILINE)) == 3


def test_a_killed_training_is_told_how_to_go_on(monkeypatch, capsys):
    monkeypatch.setattr(main_module.LazyGroup, "get_command", lambda *_: failing(KeyboardInterrupt()))
    assert "strmctl train --resume" in CliRunner().invoke(main, ["train"]).stderr
    assert "the same command goes on" in CliRunner().invoke(main, ["prepare"]).stderr
    with pytest.raises(SystemExit):
        main_module._fail(KeyboardInterrupt(), ["prepare", "sprites", "--data", "train"])
    assert "the same command goes on" in capsys.readouterr().err


def test_the_module_runs_as_the_command():
    done = subprocess.run([sys.executable, "-m", "strmctl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("strmctl, version ")
