"""One clip on its way into a frame store: verified when it is there, extracted when it is not."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from strmctl.datasets.scan import SourceClip
from strmctl.errors import DataError
from strmctl.frames.in_place.extracted import opened
from strmctl.frames.in_place.name_series import AmbiguousError
from strmctl.frames.prepare.request import Job
from strmctl.frames.store.clip_zip import archive_path, check_no_links, frames_in, writing_archive
from strmctl.frames.store.manifest import FEWEST_FRAMES, STORED, ClipRow
from strmctl.frames.store.settings import prepare_command
from strmctl.provenance import sha256_of
from strmctl.videos.extract import Extraction, extract, one_thread

LONG_NAME = "the name is too long for a file of the store"


@dataclass(frozen=True, slots=True)
class ClipTask:
    """What a process needs to know about a clip.

    Attributes:
        clip: the original video, or folder of frames.
        row: row of an earlier run; None when there is none.
        job: the folders, and how to extract.
        partial: folder of what is being written.
    """

    clip: SourceClip
    row: ClipRow | None
    job: Job
    partial: Path

    def is_stored(self) -> bool:
        """Whether an earlier run stored these frames; whether they are intact is another question."""
        row, clip = self.row, self.clip
        known = bool(row and row.status in STORED and (row.source, row.bytes) == (clip.source, clip.bytes))
        return known and (self.job.request.frames_from is not None or self.archive.is_file())

    @property
    def archive(self) -> Path:
        """Where the frames of the clip lie in the store."""
        return archive_path(self.job.folder, self.clip.clip)

    def stored_row(self) -> ClipRow:
        """The row of an earlier run; the split or the links may have changed since."""
        clip = self.clip
        return replace(self.row, cls=clip.cls, subset=clip.subset, group=clip.group, target=clip.target)

    def extract(self, keep: Callable[[bytes], None]) -> Extraction:
        """Hands the JPEG images of the video's frames over, see `extract`."""
        path, request = self.job.originals / self.clip.source, self.job.request
        with one_thread():
            return extract(path, size=self.job.size, quality=request.quality, frames=request.frames, keep=keep)


@dataclass(frozen=True, slots=True)
class Settled:
    """A clip that is done.

    Attributes:
        row: its row of the manifest.
        fresh: whether this run made it.
        bytes: size of its archive.
    """

    row: ClipRow
    fresh: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What extracting a clip takes.

    Attributes:
        bytes: size of its frames; 0 for a bad video.
        seconds: time that it took.
    """

    bytes: int = 0
    seconds: float = 0.0


def measure(task: ClipTask) -> Measured:
    """Extracts the frames of a clip into memory."""
    sizes: list[int] = []
    before = time.monotonic()
    with contextlib.suppress(DataError):
        task.extract(lambda jpeg: sizes.append(len(jpeg)))
    return Measured(sum(sizes), time.monotonic() - before)


def settle(task: ClipTask) -> Settled:
    """Brings one clip into the store. A video that cannot be decoded is a row like any other.

    Raises:
        OSError: the store cannot be written.
        OutputError: a symbolic link lies in the store.
    """
    if task.job.request.frames_from is not None:
        return _describe(task)
    archive = task.archive
    if task.is_stored() and (sha256_of(archive), frames_in(archive)) == (task.row.sha256, task.row.frames):
        return Settled(task.stored_row(), False, archive.stat().st_size)
    try:
        check_no_links(task.job.folder, archive.parent)
        with writing_archive(archive, via=task.partial) as frames:
            found = task.extract(frames.add)
    except DataError as error:
        return _failed(task.clip, error.message)
    except OSError as error:
        if error.errno == errno.EISDIR:
            return _failed(task.clip, f"a folder lies where its frames belong: move {archive} away")
        if error.errno != errno.ENAMETOOLONG:
            raise
        return _failed(task.clip, LONG_NAME)
    row = _row(
        task.clip,
        decoder=found.video.decoder,
        reason="; ".join(found.remarks),
        frames=frames.frames,
        width=found.video.width,
        height=found.video.height,
        fps=found.video.fps,
        sha256=frames.sha256,
    )
    return Settled(row, True, archive.stat().st_size)


def crashed(task: ClipTask) -> Settled:
    """What becomes of a clip that brought its process down."""
    return _failed(task.clip, "the decoder crashed on it")


def hung(task: ClipTask, seconds: int) -> Settled:
    """What becomes of a clip that gave no further frame for this long."""
    return _failed(task.clip, f"it hangs: no further frame for {seconds} s")


def to_do(clip: SourceClip) -> ClipRow:
    """The row of a clip that a dry run finds still to be extracted."""
    return _row(clip, "to do")


def _describe(task: ClipTask) -> Settled:
    """The row of frames that lie elsewhere; nothing is written."""
    try:
        found = opened(task.job.originals, task.job.request.frames_pattern or "").describe(task.clip.source)
    except AmbiguousError as error:
        settings = task.job.settings | {"frames_pattern": error.pattern}
        again = f"`{prepare_command(task.job.folder, settings)} --redo` takes {error.pattern}, for example"
        return _failed(task.clip, f"{error.message}; {again if error.pattern else error.hint}")
    except (DataError, OSError) as error:
        return _failed(task.clip, error.message if isinstance(error, DataError) else f"{error.strerror}")
    if found.reason:  # training would stop at it
        return _failed(task.clip, found.reason)
    row = _row(task.clip, decoder="extracted before", **asdict(found))
    return Settled(row, row != task.row, 0)


def _failed(clip: SourceClip, reason: str) -> Settled:
    return Settled(_row(clip, "failed", reason=reason), True, 0)


def _row(clip: SourceClip, status: str = "", *, frames: int = 0, **values: Any) -> ClipRow:
    """A row; without a status, the number of frames decides it."""
    nothing = {"width": 0, "height": 0, "fps": 0.0, "decoder": "", "reason": "", "sha256": ""}
    status = status or ("ok" if frames >= FEWEST_FRAMES else "short")
    return ClipRow(**asdict(clip), status=status, frames=frames, **(nothing | values))
