"""From original videos to a frame store: what is missing or damaged is extracted, the rest is verified and kept.

Each finished clip is a line of a journal, so that a killed run goes on where it was; the manifest comes last.
"""

from __future__ import annotations

import contextlib
import errno
import json
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

from strmctl.data import sprites, videos
from strmctl.data.archives import FRAMES, archive_path, writing_archive
from strmctl.data.manifest import (
    FEWEST_FRAMES,
    MANIFEST,
    STORED,
    ClipRow,
    read_manifest,
    row_from_values,
    write_manifest,
)
from strmctl.data.prepare_result import PrepareResult, summarize
from strmctl.data.request import Job, Request, look_up
from strmctl.data.scan import Scan, SourceClip
from strmctl.data.store_settings import SETTINGS, read_settings, write_settings
from strmctl.data.workers import each_in_processes
from strmctl.errors import DataError
from strmctl.provenance import sha256_of

JOURNAL = "manifest.journal.jsonl"
SAMPLE = 20  # clips that a dry run extracts, into memory, to estimate the space
INCOMPLETE = 0.9  # a file that gives less than this fraction of the frames that it declares is remarked upon
Progress = Callable[[int, int, str], None]


def prepare(
    request: Request, *, workers: int = 1, redo: bool = False, progress: Progress = lambda done, total, note: None
) -> PrepareResult:
    """Brings a frame store up to date with its original videos.

    Args:
        request: what to prepare.
        workers: processes; 1 works in this one.
        redo: throw the store's frames away first, and take these settings instead of those that it was made with.
        progress: is told (clips done, clips in all, note).

    Raises:
        UsageError: options that do not go together, or a store that was made with other settings.
        DataError: no videos, or a split, list or annotation that is not valid.
        OSError: the store cannot be written; what was finished is kept.
    """
    start = time.monotonic()
    job = look_up(request)
    if not redo:
        job.check_settings()
    if job.seed is not None:
        sprites.render(
            job.originals,
            seed=job.seed,
            workers=workers,
            progress=lambda done, total, _: progress(done, total, "rendering videos"),
        )
    found = job.scan()
    if redo:
        _throw_away(job.folder)
    if not read_settings(job.folder):
        write_settings(job.folder, job.settings)
    known = _known_rows(job.folder)
    tasks = [_task(job, clip, known.get(clip.clip)) for clip in found.clips]
    try:
        rows, skipped = _settle_all(tasks, job.folder / JOURNAL, workers, progress)
    finally:
        _sweep(job.folder)
    write_manifest(job.folder, rows)
    write_settings(job.folder, job.settings)
    (job.folder / JOURNAL).unlink(missing_ok=True)
    size = sum(archive_path(job.folder, row.clip).stat().st_size for row in rows if row.status in STORED)
    return summarize(job, found, rows, known, start, dry_run=False, skipped=skipped, size=size)


def plan(request: Request, *, redo: bool = False) -> PrepareResult:
    """What `prepare` would do; writes nothing. The space is estimated from up to 20 clips, extracted into memory.

    Raises:
        UsageError: as in `prepare`.
        DataError: as in `prepare`.
    """
    start = time.monotonic()
    job = look_up(request)
    if not redo:
        job.check_settings()
    to_render = 0
    if job.seed is not None:
        there = sum(1 for _ in job.originals.glob("*/*.mp4"))
        to_render = max(0, sum(sum(counts.values()) for counts in job.split.subsets.values()) - there)
    found = Scan() if to_render and not job.originals.is_dir() else job.scan()
    known = {} if redo else _known_rows(job.folder)
    tasks = [_task(job, clip, known.get(clip.clip)) for clip in found.clips]
    rows = [task.stored_row() if task.is_stored() else _row(task.clip, status="to do") for task in tasks]
    sample = tasks[:: max(1, -(-len(tasks) // SAMPLE))]
    size = round(sum(map(_size_in_memory, sample)) / max(1, len(sample)) * len(tasks))
    skipped = sum(row.status in STORED for row in rows)
    return summarize(job, found, rows, known, start, dry_run=True, skipped=skipped, size=size, to_render=to_render)


@dataclass(frozen=True)
class _Task:
    clip: SourceClip
    original: Path
    archive: Path
    row: ClipRow | None  # what is known from an earlier run
    size: videos.Size
    quality: int
    frames: int | None

    def is_stored(self) -> bool:
        """Whether an earlier run stored these frames; whether they are intact is another question."""
        row = self.row
        return bool(row and row.status in STORED and row.source == self.clip.source and self.archive.is_file())

    def stored_row(self) -> ClipRow:
        """The row of an earlier run; the split may have changed since."""
        return replace(self.row, cls=self.clip.cls, subset=self.clip.subset, group=self.clip.group)


def _task(job: Job, clip: SourceClip, row: ClipRow | None) -> _Task:
    archive = archive_path(job.folder, clip.clip)
    return _Task(clip, job.originals / clip.source, archive, row, job.size, job.request.quality, job.request.frames)


def _settle_all(tasks: list[_Task], journal: Path, workers: int, progress: Progress) -> tuple[list[ClipRow], int]:
    """The rows of all clips, each written to the journal as it is finished, and how many were there before."""
    rows, skipped = [], 0
    with (
        journal.open("a", encoding="utf-8", newline="\n") as lines,
        contextlib.closing(each_in_processes(_settle, tasks, workers=workers, crashed=_crashed)) as outcomes,
    ):
        lines.write("\n")  # ends a line that a kill may have cut
        for row, fresh in outcomes:
            if fresh:
                lines.write(json.dumps(astuple(row), ensure_ascii=False) + "\n")
                lines.flush()
            rows.append(row)
            skipped += not fresh
            progress(len(rows), len(tasks), "")
    return rows, skipped


def _settle(task: _Task) -> tuple[ClipRow, bool]:
    """The row of a clip, and whether it was extracted now. A file that cannot be decoded is a row like any other."""
    if task.is_stored() and sha256_of(task.archive) == task.row.sha256:
        return task.stored_row(), False
    try:
        with videos.one_thread(), writing_archive(task.archive) as archive:
            video, decoded = videos.extract(
                task.original, size=task.size, quality=task.quality, frames=task.frames, keep=archive.add
            )
    except DataError as error:
        return _row(task.clip, status="failed", reason=error.message), True
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return _row(task.clip, status="failed", reason="the name is too long for a file of the store"), True
    reason = ""
    if decoded < INCOMPLETE * video.declared:
        reason = f"the file declares {video.declared} frames, OpenCV reads {decoded}"
    row = _row(
        task.clip,
        status="ok" if archive.frames >= FEWEST_FRAMES else "short",
        reason=reason,
        frames=archive.frames,
        width=video.width,
        height=video.height,
        fps=video.fps,
        sha256=archive.sha256,
    )
    return row, True


def _crashed(task: _Task) -> tuple[ClipRow, bool]:
    return _row(task.clip, status="failed", reason="the decoder crashed on it"), True


def _row(clip: SourceClip, *, status: str, **values: Any) -> ClipRow:
    nothing = {"frames": 0, "width": 0, "height": 0, "fps": 0.0, "reason": "", "sha256": ""}
    return ClipRow(**asdict(clip), decoder=videos.DECODER, status=status, **(nothing | values))


def _size_in_memory(task: _Task) -> int:
    sizes: list[int] = []
    with contextlib.suppress(DataError):
        videos.extract(
            task.original,
            size=task.size,
            quality=task.quality,
            frames=task.frames,
            keep=lambda jpeg: sizes.append(len(jpeg)),
        )
    return sum(sizes)


def _known_rows(folder: Path) -> dict[str, ClipRow]:
    """The rows of the manifest, overridden by those of the journal of an interrupted run."""
    rows = {row.clip: row for row in read_manifest(folder)}
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / JOURNAL).read_text(encoding="utf-8", errors="replace").split("\n"):
            with contextlib.suppress(ValueError, TypeError):  # the line that a kill cut
                row = row_from_values(json.loads(line))
                rows[row.clip] = row
    return rows


def _sweep(folder: Path) -> None:
    """Removes what a process that was killed while it wrote has left."""
    for leftover in folder.glob(f"{FRAMES}/**/.*.part"):
        leftover.unlink(missing_ok=True)


def _throw_away(folder: Path) -> None:
    """Removes what `prepare` has written, and nothing else; the manifest first, so that no half of a store passes."""
    for name in (MANIFEST, JOURNAL, SETTINGS):
        (folder / name).unlink(missing_ok=True)
    for archive in folder.glob(f"{FRAMES}/**/*.zip"):
        archive.unlink()
