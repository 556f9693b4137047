"""A section for every data set: what to get, the classes and clips of its split, and what it will take."""

from __future__ import annotations

from dataclasses import dataclass

from docs.generate.tables import table
from strmctl.datasets.catalogue import DATA_SETS, DataSet
from strmctl.datasets.splits import SUBSETS, Split, load_split

BYTES = 15_500  # of a stored frame of 256 pixels, quality 90; reports/prepare.md measured 13.9 to 17.2 kB
RATE = 3400  # frames a second that two workers extract; the same report, 320×240
FEW = 8  # frames that a test takes


@dataclass(frozen=True)
class About:
    """What the catalogue does not say of a data set.

    Attributes:
        archive: size of what is fetched.
        licence: terms of its videos.
        frames: frames of a clip on average, and where the number is from; 0 where they are not estimated.
        frames_source: where that number is from.
    """

    archive: str
    licence: str
    frames: int
    frames_source: str = ""


ABOUT = {
    "ucf101": About("6.9 GB", "none is named on its page", 187, "1,788,425 frames of 9,537 clips"),
    "hmdb51": About("about 2 GB", "CC BY 4.0", 95, "3.2 s at 30 frames a second"),
    "jhmdb": About("186 MB", "CC BY 4.0, that of HMDB51", 34, "15 to 40 of each clip"),
    "kinetics100": About(
        "hundreds of GB",
        "annotations CC BY 4.0; the videos are their makers', from YouTube",
        300,
        "10 s at 30 frames a second",
    ),
    "ssv2": About("19.4 GB", "its own, to be accepted on its page, for research", 48, "4 s at 12 frames a second"),
    "ssv2_small": About("19.4 GB", "its own, to be accepted on its page, for research", 48, "as `ssv2`"),
    "sprites": About("nothing", "that of strmctl, MIT", 0),
}


def overview() -> str:
    """A row for every data set: split, clips, and what the frames take."""
    columns = ("name", "split", "clips", "archive", "all frames", f"`--frames {FEW}`", "time to extract")
    return table(columns, [_row(entry, load_split(name)) for name, entry in DATA_SETS.items()])


def _row(entry: DataSet, split: Split) -> tuple[str, ...]:
    about, clips = ABOUT[entry.name], sum(_clips(split).values())
    head = (f"[`{entry.name}`](#{entry.name})", _short(split), f"{clips:,}", about.archive)
    if not about.frames:
        return (*head, "26 MB", "", "under a minute")
    frames = clips * about.frames
    return (*head, _size(frames * BYTES), _size(clips * FEW * BYTES), _time(frames / RATE))


def _short(split: Split) -> str:
    """The name of whose split it is."""
    return next((name for name in ("ARN", "CMN", "OTAM") if f"({name})" in split.source), "ours")


def _clips(split: Split) -> dict[str, int]:
    return {subset: sum(filter(None, split.subsets[subset].values())) for subset in SUBSETS}


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{max(1, round(seconds / 60))} min"


def sections() -> str:
    """A section for every data set."""
    return "\n\n".join(_section(entry, load_split(name)) for name, entry in DATA_SETS.items())


def _section(entry: DataSet, split: Split) -> str:
    about, clips = ABOUT[entry.name], _clips(split)
    numbers = ", ".join(f"{subset} {len(split.subsets[subset])} ({clips[subset]:,})" for subset in SUBSETS)
    home = f"<{entry.home}>" if entry.home.startswith("http") and " " not in entry.home else entry.home
    lines = [
        f"### {entry.name}",
        f"{entry.title}, from {home}. Classes and their clips: {numbers}. Split: {split.source}.",
        f"Licence: {about.licence}. To fetch: {about.archive}." + _estimated(about),
        _how(entry),
    ]
    return "\n\n".join(lines)


def _estimated(about: About) -> str:
    return f" Frames of a clip: about {about.frames} ({about.frames_source})." if about.frames else ""


def _how(entry: DataSet) -> str:
    if entry.by_hand:
        return f"By hand:\n\n```text{entry.by_hand}\n```"
    command = "" if entry.name == "sprites" else " --download"
    more = f"{entry.source.url}, resumed where it was cut off" if entry.source else "38 motions, 40 clips of each"
    return f"`strmctl prepare {entry.name}{command}`: {more}."


GENERATED = {"data sets": overview, "data set sections": sections}
