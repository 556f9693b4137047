"""Hints are followed: each command or option that an error advises is given, and the error is gone.

Every hint in the source that holds one is followed by a case, or stands among those that cannot be, with the reason.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch

from tests.hints_in_source import hints_with_advice
from tests.small_world import class_folders, edit_manifest, small, write_split
from tests.videos_for_tests import Ran
from tests.videos_for_tests import strmctl as in_this_process

Words = list[str]


def strmctl(*words: str) -> Ran:
    """Runs `strmctl`; results note the command that made them, and hints repeat it."""
    before, sys.argv = sys.argv, ["strmctl", *map(str, words)]
    try:
        return in_this_process(*words)
    finally:
        sys.argv = before


@dataclass(frozen=True)
class World:
    """Folders with blanks in their names: data with the store `mine`, its videos, and runs with the run `sprites`."""

    folder: Path
    data: Path
    runs: Path
    videos: Path

    def evaluate(self, *more) -> Words:
        """A test of the newest run."""
        usual = ("--way", 2, "--shots", 1, "--episodes", 20, "--no-pictures", "--device", "cpu")
        return self.words("eval", *usual, *more, "--data", self.data, "--runs", self.runs)

    def train(self, *more, changes=()) -> Words:
        """A training of two episodes."""
        folders = ("--data", self.data, "--runs", self.runs, "--device", "cpu")
        return self.words("train", *small("data.dataset=mine", *changes), *folders, *more)

    def prepare(self, *more, what=None) -> Words:
        """The preparation of the videos as the store `own`."""
        own = ("--size", 32, "--workers", 1, "--data", self.data)
        return self.words("prepare", what or self.videos, *own, *more)

    def ablate(self, kind, *more) -> Words:
        """The plan of a grid."""
        folders = ("--data", self.data, "--runs", self.runs)
        return self.words("ablate", kind, "--recipe", "sprites", *small("data.dataset=mine"), *folders, *more)

    @staticmethod
    def words(*words) -> Words:
        """Words of a command line."""
        return list(map(str, words))

    def run(self, *words) -> Ran:
        """A command that works."""
        ran = strmctl(*words)
        assert ran.code == 0, (words, ran.err)
        return ran


@pytest.fixture
def world(tmp_path, data, own_data, runs, monkeypatch):
    """A world that a test may change; it is also the working folder."""
    videos = shutil.copytree(data.parent / "my videos", tmp_path / "some videos")
    own_runs = runs.rename(tmp_path / "own runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRMCTL_DATA", raising=False)
    return World(tmp_path, own_data, own_runs, videos)


def quoted(hint: str, begin: str) -> list[str]:
    """The texts in backticks that begin so."""
    return [text for text in re.findall(r"`([^`]+)`", hint) if text.startswith(begin)]


def with_options(words: Sequence[str], advice: str) -> Words:
    """The words with these options; an option that is there already, and is not `--set`, has the new value."""
    option, *more = shlex.split(advice)
    words = list(words)
    if option in words and option != "--set":
        position = words.index(option)
        del words[position : position + 2]
    rest = [position for position, word in enumerate(more) if word.startswith("--")]
    mine = more[: rest[0]] if rest else more
    words += [option, *mine]
    return with_options(words, shlex.join(more[rest[0] :])) if rest else words


def add(world: World, words: Words, hint: str) -> None:
    """Each of the options in the hint, on its own, makes the command work."""
    advised = quoted(hint, "--")
    assert advised, hint
    for advice in advised:
        world.run(*with_options(words, advice))


def add_first(world: World, words: Words, hint: str) -> None:
    """The first option in the hint makes the command work."""
    world.run(*with_options(words, quoted(hint, "--")[0]))


def run(world: World, words: Words, hint: str) -> None:
    """The first command in the hint works, and so does the failed command then."""
    run_only(world, words, hint)
    world.run(*words)


def run_only(world: World, words: Words, hint: str) -> None:
    """Each command in the hint works."""
    commands = quoted(hint, "strmctl ")
    assert commands, hint
    for command in commands:
        world.run(*shlex.split(command)[1:])


def leave_out(world: World, words: Words, hint: str) -> None:
    """Without the first option in the hint the command works."""
    option, *value = shlex.split(quoted(hint, "--")[0])
    words = list(words)
    for position in reversed([position for position, word in enumerate(words) if word == option]):
        takes_value = position + 1 < len(words) and not words[position + 1].startswith("--")
        if not value or words[position + 1] == value[0]:
            del words[position : position + 1 + takes_value]
    world.run(*words)


class Case(NamedTuple):
    """A hint as it stands in the source, a command that is given it, and how it is followed."""

    hint: str
    provoke: Callable[[World], Words]
    follow: Callable[[World, Words, str], None]


def few_clips(world: World, clips: int = 2) -> None:
    for cls in ("crawl", "swim", "walk"):
        for number in range(clips, 3):
            edit_manifest(world.data, without=f"{cls}/{number}")


def trained(world: World, name: str, seed: int = 0, *, tested: bool = True) -> None:
    """Another run."""
    world.run(*world.train("--recipe", "sprites", "--name", name, changes=(f"train.seed={seed}",)))
    if tested:
        world.run(*world.evaluate("--run", name))
    world.run(*world.evaluate("--run", "sprites"))  # by this command


def after(world: World, *commands: Sequence[str], last: Words) -> Words:
    """The last words, once these commands were run."""
    for command in commands:
        world.run(*command)
    return last


def renamed(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


def without_split(world: World) -> Words:
    world.run(*world.prepare("--name", "own"))
    return [*world.train("--recipe", "sprites", "--name", "new"), "--set", "data.dataset=own"]


def eight_frames(world: World) -> Words:
    split = write_split(world.folder / "s.yaml", {"train": ["hop", "jump"], "test": ["swim", "walk"]})
    world.run(*world.prepare("--name", "own", "--split", split, "--frames", 8))
    return [*world.train("--recipe", "sprites", "--name", "b", changes=("input.rate=12",)), "--set", "data.dataset=own"]


def unknown_rates(world: World) -> Words:
    manifest = world.data / "mine" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",12.0,", ",0.0,"))
    return world.train("--recipe", "sprites", "--name", "b", changes=("input.rate=12",))


def unlisted(world: World, text: str, classes: Sequence[str] = ("hop", "jump")) -> Words:
    for number, cls in enumerate(classes):
        class_folders(world.folder / "listed", [cls], clips=2 + number)
    (world.folder / "list.txt").write_text(text)
    return world.prepare("--name", "own", "--list", "list.txt", what="./listed")


def write_it(world: World, words: Words, hint: str) -> None:
    """A list with the line of the hint works."""
    (world.folder / "list.txt").write_text(quoted(hint, "")[0])
    world.run(*words)


def write_form(world: World, words: Words, hint: str) -> None:
    """A split file of this form works."""
    text = "".join(f"{line}\n" for line in quoted(hint, ""))
    for letter, cls in zip("abcdef", ("hop", "jump", "sit", "stand", "swim", "walk"), strict=True):
        text = re.sub(rf"\b{letter}\b", cls, text)
    (world.folder / "split.yaml").write_text(text)
    world.run(*words)


def shard_by_shard(world: World, words: Words, hint: str) -> None:
    """All shards of the hint are prepared, then merged."""
    plain = [word for word in words if word != "--merge"]
    for shard in ("1/2", "2/2"):
        assert f"--shard {shard}" in hint
        world.run(*plain, "--shard", shard)
    world.run(*plain, "--merge")


def another_name(world: World, words: Words, hint: str) -> None:
    """Another name works."""
    world.run(*with_options(words, "--name another"))


def damaged_frames(world: World) -> Words:
    (world.data / "mine" / "frames" / "swim" / "0.zip").write_bytes(b"no zip")
    shutil.rmtree(world.runs / "sprites" / "cache")
    return world.evaluate()


def other_csv(world: World, *, keep: str) -> Words:
    trained(world, "b", 1)
    path = next((world.runs / "b" / "eval").glob("test*n20.csv"))
    path.write_text(keep)
    return world.words("compare", "sprites", "b", "--runs", world.runs)


def two_grids(world: World) -> Words:
    for name in ("x", "y"):
        grid = world.ablate("shots", "--methods", "trm", "--shots", 1, "--way", 2, "--episodes", 10, "--name", name)
        world.run(*grid, "--device", "cpu")
    return world.words("report", "--runs", world.runs, "--out", world.folder / "report")


def changed_recipe(world: World) -> Words:
    recipe = world.runs / "sprites" / "recipe.yaml"
    recipe.write_text(re.sub("dropout: .*", "dropout: 0.25", recipe.read_text()))
    return world.evaluate()


def split_drawn(world: World) -> Words:
    return after(world, world.prepare("--split", "50/0/50"), last=world.prepare("--split", "60/0/40"))


def shards(world: World, *some: str) -> None:
    for shard in some:
        world.run(*world.prepare("--name", "own", "--shard", shard))


def four(world: World) -> Path:
    class_folders(world.folder / "four", ["a", "b", "c", "d"], clips=1)
    return world.folder / "four"


def lacking(world: World, cls: str) -> None:
    edit_manifest(world.data, without=f"{cls}/")


def compared(world: World, *more: str, tested: bool = True) -> Words:
    trained(world, "b", 1, tested=tested)
    return world.words("compare", "sprites", "b", *more, "--runs", world.runs)


def trained_on_tests(world: World) -> Words:
    split = write_split(world.folder / "s.yaml", {"train": ["jump", "run"], "test": ["hop", "swim", "walk"]})
    world.run(*world.prepare("--name", "own", "--split", split))
    return world.evaluate("--dataset", "own")


def weights_elsewhere(world: World) -> Words:
    (world.runs / "sprites" / "weights.pt").rename(world.runs / "elsewhere.pt")
    (world.runs / "sprites" / "state.pt").unlink(missing_ok=True)
    return world.evaluate()


def bring_weights(world: World, words: Words, hint: str) -> None:
    (world.runs / "elsewhere.pt").rename(world.runs / "sprites" / hint.split()[1])
    world.run(*words)


def not_begun(world: World) -> Words:
    for name in ("weights.pt", "weights.json", "last.pt", "last.json", "state.pt", "train.csv"):
        (world.runs / "sprites" / name).unlink()
    return world.evaluate()


def without_word(word: str) -> Callable[[World, Words, str], None]:
    """A flag is left out."""
    return lambda world, words, hint: world.run(*[own for own in words if own != word])


def without_option(option: str) -> Callable[[World, Words, str], None]:
    """An option and its value are left out, the first time that it is given."""

    def follow(world: World, words: Words, hint: str) -> None:
        position = words.index(option)
        world.run(*words[:position], *words[position + 2 :])

    return follow


def both_ways(world: World, words: Words, hint: str) -> None:
    """The command of the hint works, and so does another name."""
    run_only(world, words, hint)
    another_name(world, words, hint)


def broken_pictures(world: World) -> Words:
    path = world.data / "mine" / "frames" / "swim" / "0.zip"
    with zipfile.ZipFile(path) as before:
        names = before.namelist()
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"no picture")
    shutil.rmtree(world.runs / "sprites" / "cache")
    return world.evaluate()


def write_file(path: Path, text: str, words: Words) -> Words:
    path.write_text(text)
    return words


def resumed(world: World) -> Words:
    return world.words("train", "--resume", "--runs", world.runs, "--data", world.data)


def without_tests(world: World) -> Words:
    for cls in ("crawl", "swim", "walk"):
        lacking(world, cls)
    return world.evaluate()


def frames_in_place(world: World) -> Words:
    picture = np.zeros((32, 40, 3), np.uint8)
    for cls in ("hop", "run"):
        (world.folder / "frames" / cls / "0").mkdir(parents=True)
        for number in range(9):
            cv2.imwrite(str(world.folder / "frames" / cls / "0" / f"{number:05d}.png"), picture)
    return world.words("prepare", "./my frames", "--frames-from", "frames", "--data", world.data)


def frames_that_no_pattern_fits(world: World) -> Words:
    frames_in_place(world)
    return world.words("prepare", "taken", "--frames-from", "frames", "--data", world.data, "--frames-pattern", "x*")


def latin1(world: World) -> Words:
    class_folders(world.folder / "listed", ["Käse"], clips=1)
    (world.folder / "old list.txt").write_bytes("Käse/0\n".encode("latin-1"))
    return world.prepare("--name", "own", "--list", "old list.txt", what="./listed")


def convert(world: World, words: Words, hint: str) -> None:
    """The shell command of the hint writes a list that is read."""
    subprocess.run(["sh", "-c", quoted(hint, "iconv")[0]], check=True)
    world.run(*with_options(words, "--list list.txt"))


def moved_away(world: World, words: Words, hint: str) -> None:
    """Without the file, the command of the hint works."""
    (world.runs / "sprites" / "train.csv").unlink()
    run_only(world, words, hint)


def classified(world: World, *more: str) -> Words:
    run = ("--run", "sprites", "--runs", world.runs, "--device", "cpu")
    return world.words("classify", "--examples", world.videos, world.videos / "hop" / "0.mp4", *run, *more)


def drawn(world: World, *more: str) -> Words:
    folders = ("--data", world.data, "--runs", world.runs, "--device", "cpu", "--out", "look.png")
    return world.words("viz", "--video", world.videos / "hop" / "0.mp4", *folders, *more)


def saved(world: World) -> None:
    world.run(*world.evaluate("--save-examples", 1))


def examples(world: World) -> Words:
    result = world.runs / "sprites" / "eval" / "test_2way_1q_s0_n20.json"
    return world.words("viz", "--from-eval", result, "--data", world.data, "--device", "cpu")


def swapped_weights(world: World) -> None:
    path = world.runs / "sprites" / "eval" / "examples_test_2way_1q_s0_n20.json"
    write_file(path, json.dumps(json.loads(path.read_text()) | {"weights_sha256": ""}), [])


MISSING = (
    "prepare the missing videos, or go on without them: `--missing-classes drop` in a test, "
    "`--set data.missing_classes=drop` in training"
)
GRID = ("--way", 2, "--shots", "1", "--dry-run")
CASES = [
    Case("`{}` takes all of them", lambda w: w.evaluate("--way", 4), add),
    Case("`{}` takes all of them", lambda w: w.train("--recipe", "sprites", "--set", "train.way=4"), add),
    Case("`{}` takes no more than there are", lambda w: w.evaluate("--queries", 3), add),
    Case("`{}` takes no more than there are", lambda w: w.evaluate("--shots", "1,3"), add),
    Case("`{}` takes no more than there are", lambda w: w.evaluate("--shots", 2, "--queries", 2), add),
    Case("`{}` takes no more than there are", lambda w: w.evaluate("--shots", 5, "--queries", 9), add),
    Case("`{}` takes no more than there are", lambda w: few_clips(w) or w.evaluate("--shots", 2), add),
    Case(
        "`{}` takes no more than there are",
        lambda w: edit_manifest(w.data, without="swim/1") or edit_manifest(w.data, without="swim/2") or w.evaluate(),
        add,
    ),
    Case(
        "`{}` takes no more than there are",
        lambda w: w.train("--recipe", "sprites", "--set", "train.shot=2", "--set", "train.queries=2"),
        add,
    ),
    Case(
        "`{}` takes no more than there are",
        lambda w: w.train("--recipe", "sprites", "--set", "validation.shot=9"),
        add,
    ),
    Case(
        "`--shots {}` takes all of them",
        lambda w: after(
            w,
            w.evaluate("--save-episodes", "e.csv"),
            last=[*w.words("eval", "--episodes-from", "e.csv", "--shots", "1,2"), *w.evaluate()[8:]],
        ),
        add,
    ),
    Case("{}`--split` and `--dataset` name other ones", trained_on_tests, add_first),
    Case("leave `--text-weight` out, or name a run of {}", lambda w: w.evaluate("--text-weight", 0.5), leave_out),
    Case("name one of these: `--result {}`", lambda w: compared(w, "--result", "none"), add),
    Case(
        "`{}` tests it as {} was tested",
        lambda w: compared(w, tested=False) and w.words("compare", "b", "sprites", "--runs", w.runs),
        run,
    ),
    Case("`{}` tests it as {} was tested", lambda w: compared(w, "--result", "test_2way_1q_s0_n20", tested=False), run),
    Case("`{}`, for example", lambda w: trained(w, "b") or w.words("compare", "sprites", "--runs", w.runs), run_only),
    Case("make it again: `{}`", lambda w: other_csv(w, keep="\0"), run),
    Case(
        "`{}` tests {} as {} was tested",
        lambda w: (
            trained(w, "b", 1, tested=False)
            or after(
                w,
                w.evaluate("--run", "b", "--seed", 3),
                last=w.words(
                    *("compare", "sprites", "b", "--runs", w.runs),
                    *("--result", "test_2way_1q_s0_n20", "--result", "test_2way_1q_s3_n20"),
                ),
            )
        ),
        run_only,
    ),
    Case(
        "runs of different recipes are compared, not averaged: `strmctl compare {} {}`",
        lambda w: after(
            w,
            w.train("--recipe", "sprites", "--name", "b", changes=("trm.dropout=0.3",)),
            w.evaluate("--run", "b"),
            last=w.evaluate("--run", "sprites", "--run", "b"),
        ),
        run_only,
    ),
    Case("run `{}`", lambda w: (w.data / "mine" / "manifest.csv").unlink() or w.evaluate(), run),
    Case("run `{} --redo`", lambda w: (w.data / "mine" / "manifest.csv").write_text("x") and w.evaluate(), run),
    Case("`{}` extracts them again", damaged_frames, run),
    Case("`{} --split 60/20/20` draws a split of its classes; a file names one", without_split, run),
    Case("{}run `{} --merge`", lambda w: shards(w, "1/2", "2/2") or w.evaluate("--dataset", "own"), run_only),
    Case(
        "run `{} --shard {}`{}, then merge again",
        lambda w: shards(w, "1/2") or w.prepare("--name", "own", "--merge"),
        run,
    ),
    Case(
        "finish them with `--shard 1/{}` to `--shard {}/{}` and join them with `--merge`; or remove {}: frames that "
        "are stored stay, but are extracted again",
        lambda w: shards(w, "1/2") or w.prepare("--name", "own"),
        shard_by_shard,
    ),
    Case(
        "prepare them first, as `--shard 1/2` and `--shard 2/2` for example",
        lambda w: w.prepare("--name", "own", "--merge"),
        shard_by_shard,
    ),
    Case(
        "{}, or another `--name` to keep both; it was made with `{}`",
        lambda w: after(w, w.prepare("--name", "own"), last=[*w.prepare("--name", "own"), "--quality", "50"]),
        lambda w, words, hint: (both_ways(w, words, hint), w.run(*words, "--redo")),
    ),
    Case("for example `--split {}`", lambda w: w.prepare("--split", "60/20/30"), add),
    Case("for example `--split {}`", lambda w: w.prepare("--split", "80/20"), add),
    Case("`--split {}/0/{}` does without val", lambda w: w.prepare("--split", "60/20/20", what=four(w)), add),
    Case("`--split {}` takes it as it is; remove it to draw another", split_drawn, add),
    Case("write <class>/<clip> or <clip>, a line each, such as `{}`", lambda w: unlisted(w, "run/7\n"), write_it),
    Case("it wants lines such as `{}`", lambda w: unlisted(w, "# none\n"), write_it),
    Case("write there which one is meant, such as `{}`", lambda w: unlisted(w, "1\n"), write_it),
    Case(
        "a split file holds three lists of classes, `train: [a, b]`, `val: [c, d]`, `test: [e, f]`, a line each",
        lambda w: write_split(w.folder / "split.yaml", {}) and w.prepare("--name", "own", "--split", "split.yaml"),
        write_form,
    ),
    Case("name its folder: `{}`{}", lambda w: w.prepare(what=w.videos / "hop" / "0.mp4"), run_only),
    Case(
        "add `--name mine`, or any plain word",
        lambda w: w.prepare("--data", "d", what=renamed(w.videos, "videos")),
        add,
    ),
    Case(
        "if these are its videos, `{}`; else another `--name`",
        lambda w: w.prepare("--name", "ucf101"),
        another_name,
    ),
    Case("see `strmctl prepare --help`", lambda w: w.prepare("--name", "own", "--seed", 3), run_only),
    Case("leave `--download` out", lambda w: w.prepare("--name", "own", "--download"), without_word("--download")),
    Case("add `--download`", lambda w: w.prepare("--url", "https://x.org/y.rar", "--dry-run", what="ucf101"), add),
    Case("`--out {}`", lambda w: w.words("data", "show", "mine", "--out", "look here.jpg", "--data", w.data), add),
    Case(
        "`--out {}`",
        lambda w: w.words("viz", "--video", w.videos / "hop" / "0.mp4", "--out", "x", "--runs", w.runs),
        add,
    ),
    Case("`--start {}` shows its last second", lambda w: drawn(w, "--start", 99), add),
    Case(
        "`--match {}`, or another of {}",
        lambda w: [*w.words("viz", "--episode", 3, "--way", 2), *drawn(w)[3:]],
        add,
    ),
    Case("`--out {}` is a folder", lambda w: saved(w) or [*examples(w), "--out", "look.png"], add),
    Case(
        "`strmctl eval --save-examples 3`, with the options of that test, writes it",
        examples,
        lambda w, words, hint: (saved(w), w.run(*words)),
    ),
    Case(
        "test run {} again, with `--save-examples`",
        lambda w: saved(w) or swapped_weights(w) or examples(w),
        lambda w, words, hint: (saved(w), w.run(*words)),
    ),
    Case("leave `--end` out", lambda w: drawn(w, "--end", 0.05), without_option("--end")),
    Case("leave `--end` out", lambda w: drawn(w, "--start", 0.2, "--end", 0.1), without_option("--end")),
    Case(
        "draw each by itself, with a single `--run`",
        lambda w: (
            w.run(*w.train("--recipe", "sprites", "--name", "b", changes=("input.frames=9",)))
            and drawn(w, "--run", "sprites", "--run", "b")
        ),
        without_option("--run"),
    ),
    Case("`{} --redo` keeps all; {}", eight_frames, run),
    Case("`{} --redo` keeps all; {}", eight_frames, add),
    Case("convert them to MP4 and run `{}`; {}", unknown_rates, add),
    Case("`--window {}`", lambda w: classified(w, "--stride", 0.25), add),
    Case("`--window {}`", lambda w: classified(w, "--stride", 7), add),
    Case("`--window {}`", lambda w: classified(w, "--subtitles", "out.vtt"), add),
    Case("`--stride {}` is the largest", lambda w: classified(w, "--window", 0.5, "--stride", 2), add),
    Case(
        "`{} {}` is a folder, with a file for each",
        lambda w: classified(w, w.videos / "run" / "1.mp4", "--window", 0.5, "--subtitles", "out.vtt"),
        add,
    ),
    Case("`{} {}`", lambda w: classified(w, "--csv", "my labels.txt"), add),
    Case(
        "leave `--{}` out",
        lambda w: w.words("data", "show", "mine", "hop/0", "--subset", "train", "--data", w.data),
        leave_out,
    ),
    Case("{}`{} --help` lists them", lambda w: w.words("evla"), lambda w, words, hint: w.run("--help")),
    Case(
        "leave `--set {}` out",
        lambda w: w.ablate("components", *GRID, "--set", "frame_enrichment.enabled=false"),
        leave_out,
    ),
    Case("leave `--set {}` out", lambda w: w.ablate("components", *GRID, "--set", "train.seed=4"), leave_out),
    Case(
        "set it to all: `--set trm.tuple_fraction=1`",
        lambda w: w.ablate("tuples", *GRID, "--set", "trm.tuple_fraction=0.5"),
        add,
    ),
    Case(
        "for example `--fractions 0.2,0.4,0.6,0.8,1.0`", lambda w: w.ablate("tuples", *GRID, "--fractions", "0,2"), add
    ),
    Case("`--folds {}` is as many as there can be", lambda w: w.ablate("folds", *GRID, "--folds", 5), add),
    Case("for example `--factors 1,4`", lambda w: w.ablate("training", *GRID, "--factors", "0"), add),
    Case("for example `--seeds 0,1,2`", lambda w: w.ablate("components", *GRID, "--seeds", "1,1"), add),
    Case("`--set method=strm` changes it", lambda w: w.ablate("components", *GRID, "--set", "method=otam"), add),
    Case(
        "`--set input.frames={}` takes more", lambda w: w.ablate("cardinality", *GRID, "--set", "input.frames=2"), add
    ),
    Case("name the one to report: `{}`", two_grids, run_only),
    Case(
        "choose another `--name` for the grid",
        lambda w: renamed(w.runs / "sprites", "sprites-components") and w.ablate("components", *GRID),
        another_name,
    ),
    Case("leave `--set` out, or start a new run", lambda w: w.train("--resume"), leave_out),
    Case(
        "leave `--recipe` out; {}/recipe.yaml is used",
        lambda w: w.words("train", "--resume", "--recipe", "sprites", "--runs", w.runs, "--data", w.data),
        leave_out,
    ),
    Case("{}choose another `--name`", lambda w: w.train("--recipe", "sprites", "--name", "sprites"), both_ways),
    Case("finish its training: `strmctl train --resume --name {}`, or name another run with `--run`", not_begun, run),
    Case("copy {} to it from where it was trained, or name another run with `--run`", weights_elsewhere, bring_weights),
    Case("write the earlier values back, or train the changed recipe as another run: `{}`", changed_recipe, run_only),
    Case(
        "see `strmctl recipe show sprites` for a valid one",
        lambda w: (w.folder / "r.yaml").write_text("a: [") and w.words("recipe", "validate", "r.yaml"),
        run_only,
    ),
    Case(
        "`strmctl recipe show sprites` prints a valid one",
        lambda w: w.words("recipe", "validate", "sprites", "--set", "train.way=x"),
        run_only,
    ),
    Case(
        MISSING,
        lambda w: lacking(w, "swim") or w.evaluate("--missing-classes", "error"),
        add_first,
    ),
    Case(
        MISSING,
        lambda w: (
            lacking(w, "hop") or w.train("--recipe", "sprites", "--name", "n", changes=("data.missing_classes=error",))
        ),
        lambda w, words, hint: w.run(*with_options(words, quoted(hint, "--set")[0])),
    ),
    Case(
        "`--device cpu` computes without one",
        lambda w: w.evaluate("--device", "cuda") if not torch.cuda.is_available() else pytest.skip("CUDA is here"),
        add,
    ),
    Case("choose another `--name`", lambda w: w.train("--recipe", "sprites", "--name", "latest"), another_name),
    Case("it becomes a folder beside `videos`: use a plain word", lambda w: w.prepare("--name", "../x"), another_name),
    Case(
        "`strmctl eval --save-episodes FILE` writes files of this form",
        lambda w: ["eval", *w.evaluate("--episodes-from", "e.csv")[3:5], *w.evaluate("--episodes-from", "e.csv")[7:]],
        lambda w, words, hint: (w.run(*w.evaluate("--save-episodes", "e.csv")), w.run(*words)),
    ),
    Case("run `{}` once the videos are there", without_tests, run),
    Case("`{} --redo` extracts all again", broken_pictures, run),
    Case(
        "train anew: `{}`; or remove {}, whose name is free then, for the cell of a grid, too",
        lambda w: write_file(w.runs / "sprites" / "state.pt", "x", resumed(w)),
        run_only,
    ),
    Case(
        "`{}` mends what can be mended; import an imported run again",
        lambda w: write_file(w.runs / "sprites" / "weights.json", "", w.evaluate()),
        run,
    ),
    Case(
        "move it away: the training needs no earlier lines, and `strmctl train --resume --name {}` goes on",
        lambda w: write_file(w.runs / "sprites" / "train.csv", "x\ny\n", resumed(w)),
        moved_away,
    ),
    Case(
        "give `--result` once, or {} times",
        lambda w: compared(w, *("--result", "test_2way_1q_s0_n20") * 3),
        lambda w, words, hint: w.run(*words[:5], *words[-2:]),
    ),
    Case(
        "leave one out, or train one with another `--set train.seed=`",
        lambda w: trained(w, "b") or w.evaluate("--run", "sprites", "--run", "b"),
        lambda w, words, hint: w.run(*w.evaluate("--run", "b")),
    ),
    Case(
        "`--set backbone.weights=none` starts from random weights, `--set backbone.weights=PATH` from a file",
        lambda w: w.train("--recipe", "sprites", "--name", "n", "--set", "backbone.weights=imagenet"),
        add_first,
    ),
    Case(
        "a store without classes cannot be trained or tested on; `strmctl viz` draws its videos",
        lambda w: (
            w.run(*w.prepare("--name", "own", "--flat", what=w.videos / "hop"))
            and [*w.train("--recipe", "sprites"), "--set", "data.dataset=own"]
        ),
        lambda w, words, hint: w.run("viz", "--video", w.videos / "hop" / "0.mp4", "--runs", w.runs, "--out", "x.png"),
    ),
    Case(
        "merge them with `{} --merge`",
        lambda w: shards(w, "1/2", "2/2") or w.prepare("--name", "own", "--merge", "--quality", 50),
        run_only,
    ),
    Case(
        "write `input.crop: {}` in the recipe, or add `--set input.crop={}`{}",
        lambda w: w.train(
            *("--recipe", "sprites", "--name", "n"),
            changes=("backbone.name=timm:test_vit", "input.size=40", "input.crop=39"),
        ),
        add_first,
    ),
    Case(
        "name the backbone that the weights were made for with --set backbone.name=NAME",
        lambda w: w.train(
            *("--recipe", "sprites", "--name", "n"),
            changes=("backbone.name=resnet18", f"backbone.weights={w.runs / 'sprites' / 'weights.pt'}"),
        ),
        lambda w, words, hint: w.run(*words, "--set", "backbone.name=conv3"),
    ),
    Case(
        "measure it with a backbone that is trained: `--set backbone.trained=true --set train.views=1`",
        lambda w: w.words(
            *("bench", "train", "--recipe", "sprites", *small("backbone.trained=false", "train.views=2")),
            *("--modes", "plain", "--dtypes", "float32", "--no-peer", "--repeats", 1, "--device", "cpu"),
        ),
        add,
    ),
    Case("`{}`", frames_in_place, run_only),
    Case("`--frames-pattern {}` fits some of them", frames_that_no_pattern_fits, add),
    Case("save it as UTF-8: `{}`, with the encoding that it has", latin1, convert),
]

LONG = "a whole training or rendering; tests/cli/commands/test_demo.py goes through it"
WORDS = "it says what to write, and which name or file only the user knows"
OUTSIDE = "it needs another program, package, address or machine"
SPOILT = "numbers that are not finite are made up by the tests; another rate cannot mend these"
ELSEWHERE = "the test of its module raises it, with objects in place of a command line"
# hints that no test here can follow, and why
EXEMPT = {
    **dict.fromkeys(
        (
            "run one: `strmctl ablate components --recipe sprites`, or name tested runs",
            "make one: `strmctl prepare sprites`; or name the folder of the stores with `--data`",
            "`--shard 1/1` prepares all of them",
            "run `strmctl demo`, or train: `strmctl train --recipe sprites`",
            "run `strmctl demo`, or name the folder of the runs with `--runs`",
            "bring it back, or train anew: `strmctl train --recipe sprites`",
            "train one anew: `strmctl train --recipe sprites`",
        ),
        LONG,
    ),
    **dict.fromkeys(
        (
            "leave them out: `--name` and `--seeds` are for that",
            "for example `vary: {query_class.weight: [0.05, 0.1]}`, or `cells: {no dropout: {trm.dropout: 0}}`",
            "write `input.frames: {}` or more in the recipe",
            "test them alike: `strmctl eval --run NAME …`",
            "remove it and run its `strmctl ablate` again: the runs stay",
            "name the folder that they lie in with `--videos DIR`",
            "make room, or keep fewer: a smaller `--set train.views=`, or `--set backbone.maps=half`",
            "run its `strmctl ablate` again, which makes it anew",
            "`{}`, with the options of that test, makes it again",
            "`strmctl --traceback …` shows where",
            "{}known: {}; or a folder of videos: `strmctl prepare ./{}`",
            "`--list FILE` names a text file",
            "{} can be had from {}; name its folder with `--videos DIR`{}",
            "test it: `{}`",
            "`{}` does that; test its run with `--run`",
            "test it as it is: `--run {}`; or give your recipe another `name`",
            "leave out the runs without a partner, or train their partners with `--set train.seed=`",
            "name one with `--dataset`; in {}: {}",
            "{}frame stores here: {}; to make it: `{}`",
            "name another with `--name`",
            "write `input.crop: {}` in the recipe, or add `--set input.crop={}`",
            "write `input.frames: {}` and `input.crop: {}` in the recipe",
        ),
        WORDS,
    ),
    **dict.fromkeys(
        (
            "install the package ffmpeg (`apt-get install ffmpeg`), or measure `prepare` alone with `--no-peer`",
            "delete it and fetch it again, or unpack it by hand and name the folder with `--videos`",
            "give another address with `--url`, or fetch the file by hand, unpack it and name its folder with "
            "`--videos`",
            "a file that is here already is unpacked by hand; then name its folder with `--videos`",
            "leave `--videos` and `--frames-from` out",
            "fetch or copy the zip file again; `unzip -t FILE` tells whether it is whole",
            "join them: `zip -s 0 IN --out OUT`",
            "install it with `pip install 'strmctl[lite]'`",
            "install it with `pip install 'strmctl[timm]'`",
            "install it with `pip install 'strmctl[tensorboard]'`",
            "install it with `pip install 'strmctl[clip]'`",
            "install it with `pip install 'strmctl[{}]'`",
            "{}`python -c 'import timm; print(*timm.list_models())'` lists all",
            "fetch them where there is a net, with `hf download {}`, and copy the folder {} here, or let HF_HOME name "
            "the folder that it lies in; or {}",
            "`pip install 'strmctl[av]'` adds PyAV, which reads more kinds of video",
            "is the disk full, or the size of files limited (`ulimit -f`)?",
            "install what it misses, such as a C++ compiler, or leave it out: `--set backbone.compile=false`",
            "is there enough memory? The same command goes on where it was; `--workers 1` needs least",
            "out of memory? the same command goes on from there; take fewer --jobs",
            "leave `--device` out",
            "start {}, or give `--device cpu`",
            "number the tasks with `--array=1-{}`, or name each part, such as `--shard 1/{}`",
        ),
        OUTSIDE,
    ),
    **dict.fromkeys(
        (
            "the numbers grow too large for the precision: leave `--dtype` out where it was given, or train anew with "
            "a smaller rate, such as `--set train.learning_rate=1e-4`",
            "use other weights; a training that diverged needs a smaller rate, such as "
            "`--set train.learning_rate=1e-4`",
            "{}; start a new run with a smaller rate, `--set train.learning_rate={}`, or with "
            "`--set train.gradient_clip=1.0`",
        ),
        SPOILT,
    ),
    **dict.fromkeys(
        (
            "leave `--distinct-groups` out, and in training `--set train.distinct_groups=false`; with fewer shots or "
            "queries it may do",
            "leave `--distinct-groups` out, or leave `--episodes-from` out, which draws others",
            "remove {}, run `--shard {}` again, then merge again",
            "remove {}, then run `{} --shard {}`",
            "remove it; to keep frames on another disk, let `--data` name a folder there ({}/ stays plain)",
            "wait for it to end, or give each its own `--shard i/n`",
            "run `strmctl report` again",
            "`--workers 1` does without them",
            "leave `--jobs` out",
            "`--jobs 1` needs none",
            "`--out {}` takes any number",
        ),
        ELSEWHERE,
    ),
}


def skeleton(hint: str) -> re.Pattern[str]:
    """Matches what the source makes of a hint; its commands may have got the folders at hand."""
    parts = (re.escape(part).replace("`", "(?: --(?:data|runs) [^`]*)?`") for part in hint.split("{}"))
    return re.compile(".*".join(parts), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[f"{number}: {case.hint[:40]}" for number, case in enumerate(CASES)])
def test_what_a_hint_advises_works(world, case):
    words = case.provoke(world)
    ran = strmctl(*words, "--json") if words[:2] != ["recipe", "show"] else strmctl(*words)
    assert ran.code not in (0, 1), (words, ran.err)
    hint = json.loads(ran.out)["error"]["hint"]
    assert skeleton(case.hint).search(hint), hint
    case.follow(world, words, hint)


def test_every_hint_with_advice_is_followed_or_says_why_not():
    source, followed = set(hints_with_advice()), {case.hint for case in CASES}
    assert source - followed - EXEMPT.keys() == set(), "hints that no test follows"
    assert (followed | EXEMPT.keys()) - source == set(), "hints that are no more"
    assert not followed & EXEMPT.keys() and all(EXEMPT.values())
