"""`strmctl demo`: the whole pipeline on the bundled sprites, with the commands that a user would type."""

from __future__ import annotations

import importlib
import shlex
import time
from pathlib import Path

import click

from strmctl.cli import console
from strmctl.cli.options import data_option, device_option, runs_option, threads_option
from strmctl.errors import OutputError, in_one_line

RUN = "demo"
SHOTS = "1,5"
EPISODES = 10_000
CLIP = Path("videos", "sprites", "drop", "003.mp4")  # of a test class


@click.command(name="demo", short_help="The whole pipeline on bundled data, in three minutes.")
@data_option
@runs_option
@device_option
@threads_option
def command(data_dir: Path, runs: Path, device: str) -> None:
    """See STRM learn to recognise motions that it was never trained on: about three minutes on two cores.

    Renders the sprites data set as videos, extracts their frames, trains on 20 motions, tests on 12 others over 10,000
    episodes, and draws attention maps. Run again, it only shows what it found.

    \b
    Example:
      strmctl demo
    """
    begin = time.monotonic()
    folders = ["--data", str(data_dir), "--runs", str(runs)]
    console.say("strmctl demo: few-shot action recognition with STRM, from videos to attention maps\n")
    _step("1. Videos and frames: 38 motions, 40 clips of each", "prepare", "sprites", *folders[:2])
    how = ["--resume"] if (runs / RUN / "recipe.yaml").is_file() else ["--recipe", "sprites"]
    _step("2. Training on 20 motions", "train", *how, "--name", RUN, *folders, "--device", device)
    common = ["--run", RUN, "--runs", str(runs), "--device", device]
    title = "3. Test: 10,000 episodes of 5 motions each, from 12 that training never saw"
    if not _show_result(title, runs / RUN, data_dir):
        _step(title, "eval", "--shots", SHOTS, "--episodes", str(EPISODES), *common, "--data", str(data_dir))
    try:
        _step("4. What the model looks at in a test clip", "viz", "--video", str(data_dir / CLIP), *common)
    except (OutputError, OSError) as error:  # the numbers stand
        console.say(f"warning: {in_one_line(error)}")
    console.say(
        f"\nDone in {console.duration(time.monotonic() - begin)}. Guessing would be right in 20 % of the cases. "
        "These are synthetic motions; for the paper's data sets see `strmctl prepare --help`."
    )


def _step(title: str, name: str, *words: str) -> None:
    """Runs a subcommand, showing it as one would type it."""
    console.say(f"\n{title}\n$ {shlex.join(['strmctl', name, *words])}")
    subcommand = importlib.import_module(f"strmctl.cli.commands.{name}").command
    subcommand.main(list(words), prog_name=f"strmctl {name}", standalone_mode=False)


def _show_result(title: str, folder: Path, data_dir: Path) -> bool:
    """Prints the table of an earlier test of the same weights on the same clips, if there is one."""
    from strmctl.errors import DataError
    from strmctl.provenance import sha256_of
    from strmctl.report.terminal import eval_tables
    from strmctl.results import read_document

    path = folder / "eval" / "test_5way_1q_s0.json"
    try:
        result = read_document(path)
    except DataError:
        return False
    if result.episodes != EPISODES or not {1, 5} <= set(result.shots):
        return False
    made_of = {"weights_sha256": folder / "weights.pt", "manifest_sha256": data_dir / "sprites" / "manifest.csv"}
    if any(result.provenance.get(key) != sha256_of(path) for key, path in made_of.items()):
        return False
    console.say(f"\n{title}\n(done before: {path})")
    console.print_table(eval_tables.title(result), *eval_tables.accuracy(result))
    return True
