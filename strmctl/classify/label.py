"""What a classifier says of one video."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


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
