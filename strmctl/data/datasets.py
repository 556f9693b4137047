"""Data sets: where each is to be had, and how its original files lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from strmctl.errors import UsageError

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".3gp")
TRAIN_ANNOTATIONS = ("train.json", "something-something-v2-train.json")
VALIDATION_ANNOTATIONS = ("validation.json", "something-something-v2-validation.json")


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: what the user types.
        title: name for people.
        layout: `class_folders`; `ssv2`: one folder and annotations; `flat`: one folder, no classes.
        home: where it is to be had.
        size: pixels of the shorter side that frames are stored at by default.
        listed: the benchmark is 100 listed clips per class, not all clips of its classes.
        beside: names of files that belong to it besides the videos.
    """

    name: str
    title: str
    layout: Literal["class_folders", "ssv2", "flat"]
    home: str = ""
    size: int = 256
    listed: bool = False
    beside: tuple[str, ...] = ()


_ANNOTATIONS = TRAIN_ANNOTATIONS + VALIDATION_ANNOTATIONS
_SSV2_HOME = "https://www.qualcomm.com/developer/software/something-something-v-2-dataset"
_HMDB51_HOME = "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/"
_KINETICS = "https://github.com/cvdfoundation/kinetics-dataset (Kinetics-400)"
DATA_SETS = {
    entry.name: entry
    for entry in (
        DataSet("ucf101", "UCF101", "class_folders", "https://www.crcv.ucf.edu/data/UCF101.php"),
        DataSet("hmdb51", "HMDB51", "class_folders", _HMDB51_HOME),
        DataSet("kinetics100", "Kinetics-100", "class_folders", _KINETICS, listed=True),
        DataSet("ssv2", "Something-Something V2", "ssv2", _SSV2_HOME, beside=_ANNOTATIONS),
        DataSet("ssv2_small", "Something-Something V2 (CMN)", "ssv2", _SSV2_HOME, listed=True, beside=_ANNOTATIONS),
        DataSet("sprites", "Sprites", "class_folders", "`strmctl prepare sprites`", size=64, beside=("sprites.yaml",)),
    )
}


def is_folder(text: str) -> bool:
    """Whether a word names a folder rather than a data set: it holds a separator, or it exists and is no data set."""
    return bool({os.sep, os.altsep} & {*text}) or (text not in DATA_SETS and Path(text).exists())


def known_dataset(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        UsageError: there is none.
    """
    if name in DATA_SETS:
        return DATA_SETS[name]
    hint = f"known: {', '.join(DATA_SETS)}; or a folder of videos: `strmctl prepare ./{name} --name NAME`"
    raise UsageError(f"unknown data set {name!r}", hint)


def how_to_get(dataset: DataSet) -> str:
    """Where a data set is to be had and which option tells where its videos lie."""
    if not dataset.home:
        flat = "" if dataset.layout == "flat" else "want one folder per class; `--flat` takes videos without classes, "
        return f"{flat}suffixes known: {' '.join(VIDEO_SUFFIXES)}"
    option = "--videos DIR --annotations DIR" if dataset.layout == "ssv2" else "--videos DIR"
    return f"{dataset.title} is to be had from {dataset.home}; say where it lies with `{option}`"
