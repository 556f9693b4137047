"""One clip on its way into a frame store: verified when it is there, extracted when it is not."""

from __future__ import annotations

import contextlib
import errno
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from strmctl.datasets.scan import SourceClip
from strmctl.errors import DataError, OutputError
from strmctl.frames.in_place.extracted import ExtractedFrames, opened
from strmctl.frames.store.clip_zip import FRAMES, archive_path, writing_archive
from strmctl.frames.store.manifest import FEWEST_FRAMES, STORED, ClipRow
from strmctl.provenance import sha256_of
from strmctl.videos.extract import Size, extract, one_thread

LONG_NAME = "the name is too long for a file of the store"


@dataclass(frozen=True, slots=True)
class ClipTask:
    """What a process needs to know of a clip.

    Attributes:
        clip: which clip.
        originals: folder of the original videos.
        frames_from: folder or zip of frames that somebody has extracted; None: they are extracted from the video.
        store: folder of the frame store.
        partial: folder of what is being written.
        row: what is known of it from an earlier run.
        size: pixels that frames are stored at.
        quality: of the JPEG images.
        frames: how many to keep; None keeps all.
    """

    clip: SourceClip
    originals: Path
    frames_from: Path | None
    store: Path
    partial: Path
    row: ClipRow | None
    size: Size
    quality: int
    frames: int | None

    def is_stored(self) -> bool:
        """Whether an earlier run stored these frames; whether they are intact is another question."""
        row = self.row
        clip = self.clip
        known = bool(row and row.status in STORED and (row.source, row.bytes) == (clip.source, clip.bytes))
        return known and (self.frames_from is not None or archive_path(self.store, self.clip.clip).is_file())

    def stored_row(self) -> ClipRow:
        """The row of an earlier run; the split or the links may have changed since."""
        clip = self.clip
        return replace(self.row, cls=clip.cls, subset=clip.subset, group=clip.group, target=clip.target)

    def bytes_in_memory(self) -> int:
        """How much the frames of the clip will take, found by extracting them into memory; 0 for a bad video."""
        sizes: list[int] = []
        with contextlib.suppress(DataError), one_thread():
            extract(
                self.originals / self.clip.source,
                size=self.size,
                quality=self.quality,
                frames=self.frames,
                keep=lambda jpeg: sizes.append(len(jpeg)),
            )
        return sum(sizes)


@dataclass(frozen=True, slots=True)
class Settled:
    """A clip that is done.

    Attributes:
        row: of the manifest.
        fresh: it was made now.
        bytes: of its archive.
    """

    row: ClipRow
    fresh: bool
    bytes: int


def settle(task: ClipTask) -> Settled:
    """Brings one clip into the store. A video that cannot be decoded is a row like any other.

    Raises:
        OSError: the store cannot be written.
        OutputError: a symbolic link lies in the store.
    """
    if task.frames_from is not None:
        return _describe(task, opened(task.frames_from))
    archive = archive_path(task.store, task.clip.clip)
    if task.is_stored() and sha256_of(archive) == task.row.sha256:
        return Settled(task.stored_row(), False, archive.stat().st_size)
    try:
        check_no_links(task.store, archive.parent)
        with one_thread(), writing_archive(archive, via=task.partial) as frames:
            found = extract(
                task.originals / task.clip.source,
                size=task.size,
                quality=task.quality,
                frames=task.frames,
                keep=frames.add,
            )
    except DataError as error:
        return _failed(task.clip, error.message)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return _failed(task.clip, LONG_NAME)
    video = found.video
    row = _row(
        task.clip,
        decoder=video.decoder,
        status="ok" if frames.frames >= FEWEST_FRAMES else "short",
        reason="; ".join(found.remarks),
        frames=frames.frames,
        width=video.width,
        height=video.height,
        fps=video.fps,
        sha256=frames.sha256,
    )
    return Settled(row, True, archive.stat().st_size)


def crashed(task: ClipTask) -> Settled:
    """What becomes of a clip that brought its process down."""
    return _failed(task.clip, "the decoder crashed on it")


def to_do(clip: SourceClip) -> ClipRow:
    """The row of a clip that a dry run finds still to be extracted."""
    return _row(clip, status="to do")


def _describe(task: ClipTask, extracted: ExtractedFrames) -> Settled:
    """The row of frames that lie elsewhere; nothing is written."""
    try:
        found = extracted.describe(task.clip.source)
    except (DataError, OSError) as error:
        return _failed(task.clip, error.message if isinstance(error, DataError) else f"{error.strerror}")
    if found.reason:  # training would stop at it
        return _failed(task.clip, found.reason)
    row = _row(
        task.clip,
        decoder="extracted before",
        status="ok" if found.frames >= FEWEST_FRAMES else "short",
        frames=found.frames,
        width=found.width,
        height=found.height,
        sha256=found.sha256,
    )
    return Settled(row, row != task.row, 0)


def _failed(clip: SourceClip, reason: str) -> Settled:
    return Settled(_row(clip, status="failed", reason=reason), True, 0)


def _row(clip: SourceClip, *, status: str, **values: Any) -> ClipRow:
    nothing = {"frames": 0, "width": 0, "height": 0, "fps": 0.0, "decoder": "", "reason": "", "sha256": ""}
    return ClipRow(**asdict(clip), status=status, **(nothing | values))


def check_no_links(store: Path, path: Path) -> None:
    """Makes sure that nothing is written through a symbolic link between a store and a path below it.

    Such a link may lead anywhere.

    Raises:
        OutputError: the path or a folder above it is one.
    """
    while path != store:
        if path.is_symlink():
            raise OutputError(
                f"{path} is a symbolic link to {path.readlink()}: nothing is written through it",
                f"remove it; to keep frames on another disk, let `--data` name a folder there ({FRAMES}/ stays plain)",
            )
        path = path.parent
