"""What `classify` found, as one page of HTML; `labels.html` is the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strmctl.report.clock import clock
from strmctl.report.pages.sections import origins
from strmctl.report.pages.template import render

PER_ROW = 4  # frames of a picture, at most
OPEN = 12  # rows of a list that is shown without being asked for
TICKS = 6  # times below a timeline, at most
LAST_TICK = 0.85  # of the timeline: further on, a time would not fit
STEPS = [step * unit for unit in (1, 60, 3600) for step in (1, 2, 5, 10, 15, 30)]  # seconds between two of them


@dataclass(frozen=True)
class Picture:
    """Frames of a clip in one picture, in rows of `PER_ROW` where there are so many.

    Attributes:
        jpeg: JPEG image.
        frames: number of frames.
        columns: frames in a row.
        side: width and height of a frame, pixels.
    """

    jpeg: bytes
    frames: int
    columns: int
    side: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return -(-self.frames // self.columns)


@dataclass(frozen=True)
class Answer:
    """What one video shows.

    Attributes:
        video: path of the video.
        answer: class, or words for none; empty for a video that cannot be read.
        shares: class -> probability, the most probable first.
        refused: whether the answer is none of the classes.
        nearest: name of the nearest example.
        picture: its frames.
        notes: remarks.
        reason: why it cannot be read; empty where it was.
    """

    video: str
    answer: str
    shares: Mapping[str, float]
    refused: bool
    nearest: str
    picture: Picture | None
    notes: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Stretch:
    """A segment of a long video.

    Attributes:
        start: where it begins, seconds.
        end: where it ends, seconds.
        cls: class.
        probability: mean probability of the class, a fraction.
        nearest: name of the nearest example.
        picture: some of its frames.
    """

    start: float
    end: float
    cls: str
    probability: float
    nearest: str
    picture: Picture | None


@dataclass(frozen=True)
class LongVideo:
    """What happens when in a long video.

    Attributes:
        video: path of the video.
        duration: seconds.
        stretches: the segments, in order.
        notes: remarks.
        reason: why it cannot be read; empty where it was.
    """

    video: str
    duration: float
    stretches: Sequence[Stretch]
    notes: Sequence[str]
    reason: str

    @property
    def lanes(self) -> dict[str, list[Stretch]]:
        """The segments of each class that has any, by name of the class."""
        classes = sorted({stretch.cls for stretch in self.stretches})
        return {cls: [stretch for stretch in self.stretches if stretch.cls == cls] for cls in classes}

    @property
    def ticks(self) -> list[int]:
        """Times to write below the timeline, seconds; there is room for them up to `LAST_TICK`."""
        step = next((step for step in STEPS if self.duration <= TICKS * step), int(self.duration // TICKS))
        return list(range(0, int(LAST_TICK * self.duration) + 1, step))


@dataclass(frozen=True)
class Labels:
    """All that the page shows.

    Attributes:
        facts: name and value of what was asked.
        sentences: what the held-out examples say.
        classes: class -> names of its examples.
        unreadable: name of an example -> why it cannot be read.
        pictures: name of an example -> its frames.
        answers: the videos.
        timelines: the long videos.
        confusion: numbers of held-out examples, rows true, columns answered; None where none could be held out.
        top: number of classes whose probabilities are drawn for each video.
        provenance: what made the page.
    """

    facts: Mapping[str, str]
    sentences: Sequence[str]
    classes: Mapping[str, Sequence[str]]
    unreadable: Mapping[str, str]
    pictures: Mapping[str, Picture]
    answers: Sequence[Answer]
    timelines: Sequence[LongVideo]
    confusion: Sequence[Sequence[int]] | None
    top: int
    provenance: Mapping[str, Any]

    @property
    def title(self) -> str:
        """`3 videos, 4 classes`."""
        videos, classes = len(self.answers) + len(self.timelines), len(self.classes)
        return f"{videos:,} video{'' if videos == 1 else 's'}, {classes} classes"


def labels_page(labels: Labels) -> str:
    """The page: each video with its frames, probabilities and nearest example; the examples; what they say."""
    examples = [clip for clips in labels.classes.values() for clip in clips]
    return render(
        "labels.html",
        labels=labels,
        numbers={clip: number for number, clip in enumerate(examples, 1)},
        counts=_counts(labels),
        origins=origins(labels.provenance),
        open=OPEN,
        per_row=PER_ROW,
        percent=lambda share: f"{100 * share:.0f}",
        clock=clock,
    )


def _counts(labels: Labels) -> dict[str, int]:
    """Number of videos with each answer, the most frequent first."""
    counts: dict[str, int] = {}
    for answer in labels.answers:
        name = answer.answer or "cannot be read"
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))
