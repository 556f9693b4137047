"""Maps over every frame of a clip, as a film."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from strmctl.errors import UsageError
from strmctl.explain.subjects import Subject
from strmctl.progress import Progress, silent
from strmctl.videos.write_video import write_gif, write_mp4

if TYPE_CHECKING:
    from strmctl.report.pictures.attention import MapRow

SLOW = 8.0  # frames per second, where the clip does not say
LONGEST_GIF = 500  # frames
LEGEND = (
    "Blue: frames that the model sees; in between, maps stay those of the nearest one. Opacity grows from a map's "
    "least value, over all of these frames, to its greatest; each panel has its own scale."
)


def write_film(
    subject: Subject, rows: Sequence[MapRow], path: Path, *, title: str, progress: Progress = silent
) -> None:
    """Writes a film, MP4 or GIF by its suffix: each frame of a clip, beside it under each map.

    Args:
        subject: the clip.
        rows: maps of its L frames.
        path: file to write.
        title: title of the film.
        progress: callable that receives (frames done, frames in all, "").

    Raises:
        UsageError: a GIF would have too many frames.
        OutputError: the file cannot be written.
        DataError: a frame cannot be read.
    """
    from strmctl.report.pictures.film import Film

    gif = path.suffix.lower() == ".gif"
    if gif and subject.count > LONGEST_GIF:  # they are held in memory, and make a huge file
        hint = f"`--out {shlex.quote(str(path.with_suffix('.mp4')))}` takes any number"
        raise UsageError(f"a GIF has {LONGEST_GIF} frames at most, and {subject.name} has {subject.count}", hint)
    used, scaled = np.array(subject.positions), [row.scaled for row in rows]
    first, _ = next(subject.every())
    names, positions = ["as filmed", *(row.name for row in rows)], range(first, first + subject.count)
    side = subject.pixels.shape[-1]
    film = Film(names, side=side, positions=positions, used=subject.positions, title=title, legend=LEGEND)

    def frames() -> Iterator[np.ndarray]:
        for done, (position, pixels) in enumerate(subject.every(), 1):
            nearest = int(np.abs(used - position).argmin())
            yield film.frame(position, pixels, [values[nearest] for values in scaled])
            progress(done, len(positions), "")

    fps = subject.fps or SLOW
    if gif:
        write_gif(path, frames(), fps=fps)
    else:
        bgr = (np.ascontiguousarray(frame[..., ::-1]) for frame in frames())
        write_mp4(path, bgr, fps=fps, size=(film.width, film.height))
