"""Data sets: where each can be found, and how its original files are laid out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from strmctl.errors import UsageError, did_you_mean

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".3gp")
TRAIN_ANNOTATIONS = ("train.json", "something-something-v2-train.json")
VALIDATION_ANNOTATIONS = ("validation.json", "something-something-v2-validation.json")


@dataclass(frozen=True)
class Source:
    """An archive of original videos that anybody may fetch.

    Attributes:
        url: address of the archive.
        cited: page or package that gives this address.
        checksum: `sha256:…` or `md5:…`; None where nobody who can be cited publishes one.
    """

    url: str
    cited: str
    checksum: str | None = None


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: what the user types.
        title: name for people.
        layout: `class_folders`; `ssv2`: one folder and annotations; `flat`: one folder, no classes; `tree`: folders in
            folders, no classes.
        home: page where it can be found.
        size: default shorter side of the stored frames, pixels.
        listed: whether the benchmark is 100 listed clips per class, not all clips of its classes.
        beside: names of files that belong to it besides the videos.
        source: archive that anybody may fetch; None where there is none.
        by_hand: which files to get and what to do with them, where there is no such archive.
    """

    name: str
    title: str
    layout: Literal["class_folders", "ssv2", "flat", "tree"]
    home: str = ""
    size: int = 256
    listed: bool = False
    beside: tuple[str, ...] = ()
    source: Source | None = None
    by_hand: str = ""


_SSV2 = {
    "layout": "ssv2",
    "home": "https://www.qualcomm.com/developer/software/something-something-v-2-dataset",
    "beside": TRAIN_ANNOTATIONS + VALIDATION_ANNOTATIONS,
}
_HMDB51_HOME = "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/"
_JHMDB_HOME = "http://jhmdb.is.tue.mpg.de"
_KINETICS = "https://github.com/cvdfoundation/kinetics-dataset (Kinetics-400)"
_UCF101 = Source("https://www.crcv.ucf.edu/data/UCF101/UCF101.rar", "https://www.crcv.ucf.edu/data/UCF101.php")
_HMDB51 = Source(
    "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar",
    "torchvision.datasets.HMDB51 (there with http://)",
)
_JHMDB_BY_HAND = """
  1. fetch https://files.is.tue.mpg.de/jhmdb/JHMDB_video.zip (186 MB) and unzip it: <class>/<clip>.avi, 928 clips of
     HMDB51 (CC BY 4.0), trimmed to 15 to 40 frames
  2. `strmctl prepare jhmdb --videos DIR`"""
_KINETICS_BY_HAND = """
  1. fetch the parts that https://s3.amazonaws.com/kinetics/400/train/k400_train_path.txt and
     https://s3.amazonaws.com/kinetics/400/val/k400_val_path.txt list, train.csv, val.csv and test.csv of
     https://s3.amazonaws.com/kinetics/400/annotations/, and replacement_for_corrupted_k400.tgz of
     https://s3.amazonaws.com/kinetics/400/; the scripts k400_downloader.sh, k400_extractor.sh and
     arrange_by_classes.py of the repository do it and make videos/<train|val>/<class>/<id>_<start>_<end>.mp4
  2. `strmctl prepare kinetics100 --videos DIR --list FILE`, FILE with the 100 clips a class of the CMN split"""
_SSV2_BY_HAND = """
  1. accept the licence and fetch all parts 20bn-something-something-v2-00, -01, … (19.4 GB) and
     20bn-something-something-download-package-labels.zip
  2. unzip those that are real zip files, and join the parts: `cat 20bn-something-something-v2-?? | tar -xzf -` gives
     20bn-something-something-v2/<id>.webm (220,847 files); unzip the labels: train.json, validation.json
  3. `strmctl prepare {name} --videos DIR --annotations DIR{more}`"""
DATA_SETS = {
    entry.name: entry
    for entry in (
        DataSet("ucf101", "UCF101", "class_folders", _UCF101.cited, source=_UCF101),
        DataSet("hmdb51", "HMDB51", "class_folders", _HMDB51_HOME, source=_HMDB51),
        DataSet("jhmdb", "JHMDB", "class_folders", _JHMDB_HOME, by_hand=_JHMDB_BY_HAND),
        DataSet("kinetics100", "Kinetics-100", "class_folders", _KINETICS, listed=True, by_hand=_KINETICS_BY_HAND),
        DataSet("ssv2", "Something-Something V2", **_SSV2, by_hand=_SSV2_BY_HAND.format(name="ssv2", more="")),
        DataSet(
            *("ssv2_small", "Something-Something V2 (CMN)"),
            **_SSV2,
            listed=True,
            by_hand=_SSV2_BY_HAND.format(name="ssv2_small", more=" --list FILE"),
        ),
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
    guess = did_you_mean(DATA_SETS, name)
    hint = f"{guess}known: {', '.join(DATA_SETS)}; or a folder of videos: `strmctl prepare ./{name}`"
    raise UsageError(f"unknown data set {name!r}", hint)


def how_to_get(dataset: DataSet) -> str:
    """Where a data set can be found, and the option that names the folder of its videos."""
    if not dataset.home:
        flat = "" if dataset.layout == "flat" else "want one folder per class; `--flat` takes videos without classes, "
        return f"{flat}suffixes known: {' '.join(VIDEO_SUFFIXES)}"
    if dataset.by_hand:
        return f"{dataset.title} can be had from {dataset.home}, by hand:{dataset.by_hand}"
    fetch = f", or `strmctl prepare {dataset.name} --download` fetches it" if dataset.source else ""
    return f"{dataset.title} can be had from {dataset.home}; name its folder with `--videos DIR`{fetch}"
