"""A small world that tests share: recipes and a frame store on which two training episodes take no time."""

import csv
import shutil
from collections import namedtuple
from pathlib import Path

from strmctl import yaml
from strmctl.recipe import Recipe, load_recipe
from tests.videos_for_tests import Ran, strmctl, write_video

SMALL = (
    *("backbone.name=conv3", "backbone.weights=none", "input.frames=8", "input.size=32", "input.crop=32"),
    *("patch_enrichment.patches=2", "patch_enrichment.hidden=8", "trm.dim=8", "query_class.dim=8"),
    *("train.way=2", "train.shot=1", "train.queries=1", "train.episodes=2", "train.accumulate=1"),
    *("clip_fsar.tower=tiny", "clip_fsar.text_weights=none"),
    *("validation.every=1", "validation.episodes=4", "validation.shot=1", "data.missing_classes=drop"),
)
CLASSES = {"train": ["hop", "jump", "run"], "val": ["sit", "stand"], "test": ["crawl", "swim", "walk"]}
CLIPS = 3  # of each class


def small(*changes: str) -> list[str]:
    """Words that make a recipe small, then these changes."""
    return [word for assignment in (*SMALL, *changes) for word in ("--set", assignment)]


def small_recipe(*changes: str) -> Recipe:
    """The sprites recipe, made small, for the store `mine`."""
    return load_recipe("sprites", (*SMALL, "data.dataset=mine", *changes))


def write_split(path: Path, subsets: dict[str, list[str]], **more) -> Path:
    """A split file of the user's own."""
    path.write_text(yaml.dump({"subsets": subsets, **more}), encoding="utf-8")
    return path


def write_videos(folder: Path, names, codec: str = "mp4v") -> None:
    """Small videos, each with another picture."""
    for seed, name in enumerate(names):
        write_video(folder / name, frames=10, size=(48, 36), seed=seed, codec=codec)


def class_folders(folder: Path, classes, clips: int = CLIPS) -> None:
    """A folder of class folders: `<class>/<number>.mp4`."""
    write_videos(folder, [f"{name}/{number}.mp4" for name in classes for number in range(clips)])


def prepare(*words: str | Path) -> None:
    """Runs `strmctl prepare` with frames of 32 pixels in this process."""
    ran = strmctl("prepare", *words, "--size", 32, "--workers", 1)
    assert ran.code == 0, ran.err


def prepared(folder: Path) -> Path:
    """A data folder with the store `mine`: `CLASSES`, three clips of each; the videos lie in `<folder>/my videos`."""
    class_folders(folder / "my videos", [name for names in CLASSES.values() for name in names])
    split = write_split(folder / "mine.yaml", CLASSES)
    prepare(folder / "my videos", "--name", "mine", "--split", split, "--data", folder / "data")
    return folder / "data"


def train(data: Path, runs: Path, *words: str | Path, changes=()) -> Ran:
    """`strmctl train` of a small recipe on the store `mine`."""
    words = words or ("--recipe", "sprites")
    return strmctl(
        "train", *words, *small("data.dataset=mine", *changes), "--data", data, "--runs", runs, "--device", "cpu"
    )


def evaluate(data: Path, runs: Path, *words: str | Path) -> Ran:
    """`strmctl eval` of the newest run, 2-way 1-shot, 20 episodes, unless the words say otherwise."""
    usual = ("--way", 2, "--shots", 1, "--episodes", 20, "--no-pictures", "--device", "cpu")
    return strmctl("eval", *usual, *words, "--data", data, "--runs", runs)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def edit_manifest(data: Path, *, without: str) -> None:
    """Removes clips from the manifest of the store `mine`: those whose ids begin with these letters."""
    manifest = data / "mine" / "manifest.csv"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if not line.startswith(without)))


def fill_disk(monkeypatch) -> None:
    """Nothing more can be written to any disk, as far as anybody asks."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(0))


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content, links with where they point."""
    return {
        str(path.relative_to(folder)): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def refused(ran, code, *parts):
    """Checks an error: the exit code, nothing on stdout, a message with these parts, no traceback."""
    assert ran.code == code, ran.err
    assert ran.out == "" and "error: " in ran.err
    for part in parts:
        assert str(part) in ran.err, ran.err
    assert "Traceback" not in ran.err and "defect of strmctl" not in ran.err, ran.err


def refused_in_json(ran, code, message, hint=""):
    """Checks an error with `--json`: stdout is one document."""
    assert ran.code == code, ran.err
    document = ran.json()
    assert set(document) == {"error"} and set(document["error"]) == {"message", "hint", "exit_code"}
    assert document["error"]["exit_code"] == code
    assert message in document["error"]["message"] and hint in document["error"]["hint"], document
