"""What a classifier says of videos and windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Answers(NamedTuple):
    """Answers to Q videos or windows.

    Attributes:
        logits: (Q, C), not yet divided by the temperature.
        probabilities: (Q, C).
        refused: (Q), whether each is none of the classes.
        nearest: the example that is nearest to each, of Q.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    refused: np.ndarray
    nearest: list[str]


@dataclass(frozen=True)
class Label:
    """What a video shows.

    Attributes:
        video: path of the video.
        probabilities: class -> probability, the most probable first; empty for a video that cannot be read.
        refused: whether it shows none of the classes.
        nearest: path of the most similar example, below the folder of the examples.
        reason: why the video cannot be read; empty where it was.
        notes: what a user should know about the video.
    """

    video: Path
    probabilities: dict[str, float] = field(default_factory=dict)
    refused: bool = False
    nearest: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> str | None:
        """The most probable class, refused or not; None for a video that cannot be read."""
        return next(iter(self.probabilities), None)

    @property
    def answer(self) -> str | None:
        """The class; None where it is none of them, or the video cannot be read."""
        return None if self.refused else self.best

    @property
    def probability(self) -> float:
        """Probability of the best class, a fraction; 0 for a video that cannot be read."""
        return next(iter(self.probabilities.values()), 0.0)

    @property
    def second(self) -> str | None:
        """The second most probable class."""
        return next(iter([*self.probabilities][1:]), None)

    @property
    def margin(self) -> float:
        """Lead of the best probability over the second, a fraction."""
        return self.probability - self.probabilities.get(self.second or "", 0.0)


def notes_of(length: int, taken: int, example: str | None) -> list[str]:
    """What a user should know about a video that was read.

    Args:
        length: number of frames of the video.
        taken: number of frames that the model sees.
        example: the example that is the same file, if one is.
    """
    notes = [f"{length} frames where {taken} are taken, so some appear twice"] if length < taken else []
    return notes if example is None else [*notes, f"the same file as example {example}"]
