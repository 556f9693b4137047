"""The learning curve of a run, `train.png`, drawn while it trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from strmctl.errors import not_drawn
from strmctl.runs.train_log import learning_curve

FILE = "train.png"
POINTS = 300  # as many as the picture shows apart
PAUSE = 10.0  # seconds before the next picture, so that frequent validations cost little


class CurvePicture:
    """Draws the curve of a run; a picture that fails is a warning, once, and never costs the training.

    Args:
        folder: folder of the run.
        way: number of classes of an episode.
        announce: callable that receives the warning.
    """

    def __init__(self, folder: Path, way: int, announce: Callable[[str], None]) -> None:
        self._folder, self._way, self._announce = folder, way, announce
        self._drawn_at, self._failed = time.monotonic(), False

    def add(self, lines: Sequence[Mapping[str, float]], *, steps: bool, validates: bool, last: bool) -> None:
        """Draws after a validation what the log holds, unless it is `PAUSE` too early, and in any case at the end."""
        due = validates and time.monotonic() - self._drawn_at >= PAUSE
        if self._failed or not (due or last):
            return
        path = self._folder / FILE
        try:  # matplotlib is loaded here, where there is something to draw
            from strmctl.report.charts.learning_curves import draw_run
            from strmctl.report.drawing import save_picture

            if curve := learning_curve(self._folder, points=POINTS):
                save_picture(draw_run(curve, way=self._way), path)
        except Exception as error:
            self._announce(f"warning: {not_drawn(path, error)}")
            self._failed = True
        self._drawn_at = time.monotonic()
