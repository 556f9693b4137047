"""From original videos to a frame store: what is missing or damaged is extracted, the rest is verified and kept.

Each finished clip is a line of a journal, so that a killed run goes on where it was; the manifest comes last.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from pathlib import Path

from strmctl.datasets.scan import Scan
from strmctl.datasets.sprites.render import render as render_sprites
from strmctl.disk import FULL, LESS, check_room, free_bytes
from strmctl.errors import OutputError, UsageError
from strmctl.frames.prepare.one_clip import ClipTask, Measured, Settled, crashed, hung, measure, settle, to_do
from strmctl.frames.prepare.request import Job, Request, look_up
from strmctl.frames.prepare.summary import PrepareResult, summarize
from strmctl.frames.store.clip_zip import FRAMES, check_no_links
from strmctl.frames.store.manifest import (
    MANIFEST,
    STORED,
    ClipRow,
    read_journal,
    read_manifest,
    write_manifest,
    writing_journal,
)
from strmctl.frames.store.settings import SETTINGS, read_settings, write_settings
from strmctl.frames.store.shards import Shard, Workplace, check_no_other_shards
from strmctl.paths import files_below
from strmctl.progress import Progress, silent
from strmctl.workers import each_in_processes

SAMPLE = 20  # clips from which the space is estimated
LOOK = 200  # clips between two checks of the free space


def prepare(
    request: Request,
    *,
    workers: int = 1,
    redo: bool = False,
    shard: Shard | None = None,
    video_timeout: int = 0,
    progress: Progress = silent,
) -> PrepareResult:
    """Brings a frame store up to date with its original videos.

    Args:
        request: what to prepare.
        workers: number of processes; 1 works in this one, or with a time limit in another one.
        redo: whether to remove the store's frames first, and to take these settings instead of those of the store.
        shard: the part to prepare; its manifest waits for `merge`. None prepares all.
        video_timeout: seconds without a further frame after which a video has failed; however long it is, it may take
            its time. 0 waits for ever.
        progress: called with (clips done, clips in all, note).

    Raises:
        UsageError: options that do not go together, a store that was made with other settings, or another run at work.
        DataError: no videos, or a split, list or annotation that is not valid.
        OutputError: the disk has no room for the rest, or a symbolic link lies in the store; what was finished is kept.
        OSError: the store cannot be written; what was finished is kept.
    """
    start = time.monotonic()
    job = look_up(request)
    if shard is not None and job.seed is not None:
        raise UsageError("sprites are rendered in seconds and have no shards", "`--shard 1/1` prepares all of them")
    if shard is not None and redo:
        raise UsageError("--redo would throw away what other shards have done", f"remove {job.folder} by hand instead")
    place = Workplace(job.folder, shard)
    check_no_other_shards(job.folder, shard)
    if not redo:
        job.check_settings(place)
    place.check_files()
    found = None if job.seed is not None else job.scan(shard)
    for path in (place.partial, place.journal, job.folder / FRAMES):
        check_no_links(job.folder, path)
    with place.occupied():
        check_no_other_shards(job.folder, shard)  # again: another run may have been here in the meantime
        if not redo:
            job.check_settings(place)
        if found is None:
            render_sprites(
                job.originals,
                seed=job.seed,
                workers=workers,
                progress=lambda done, total, _: progress(done, total, "rendering videos"),
            )
            found = job.scan(shard)
        if redo:
            _throw_away(job.folder)
        job.keep_split()
        if not read_settings(place.folder):
            write_settings(place.folder, job.settings)
        known = _known_rows(place)
        tasks = _tasks(job, found, place, known)
        done = _settle_all(tasks, place, workers=workers, seconds=video_timeout, progress=progress)
        rows = [settled.row for settled in done]
        write_manifest(place.folder, rows)
        write_settings(place.folder, job.settings)
        place.journal.unlink(missing_ok=True)
    skipped, size = sum(not settled.fresh for settled in done), sum(settled.bytes for settled in done)
    return summarize(job, found, rows, known, start, skipped=skipped, bytes=size, shard=str(shard or ""))


def plan(
    request: Request,
    *,
    redo: bool = False,
    workers: int = 1,
    shard: Shard | None = None,
    video_timeout: int = 0,
) -> PrepareResult:
    """What `prepare` would do; writes nothing. Space and time are estimated: up to 20 clips are extracted into memory.

    Raises:
        UsageError: as in `prepare`.
        DataError: as in `prepare`.
    """
    start = time.monotonic()
    job = look_up(request)
    place = Workplace(job.folder, shard)
    if not redo:
        check_no_other_shards(job.folder, shard)
        job.check_settings(place)
    to_render = 0
    if job.seed is not None:
        videos = sum(sum(counts.values()) for counts in job.split.subsets.values())
        to_render = max(0, videos - sum(path.suffix == ".mp4" for path in files_below(job.originals)))
    found = Scan() if to_render and not job.originals.is_dir() else job.scan(shard)
    known = {} if redo else _known_rows(place)
    tasks = _tasks(job, found, place, known)
    rows = [task.stored_row() if task.is_stored() else to_do(task.clip) for task in tasks]
    skipped = sum(row.status in STORED for row in rows)
    sample = [] if request.frames_from else _spread(tasks)
    nothing = lambda task: Measured()  # noqa: E731 - of a video that crashes the decoder, or lets it hang
    looked = each_in_processes(measure, sample, workers=1, crashed=nothing, hung=nothing, seconds=video_timeout)
    taken = list(looked)
    size = sum(clip.bytes for clip in taken) * len(tasks) // max(1, len(sample))
    pace = sum(clip.seconds for clip in taken) / max(1, len(sample))  # seconds per clip of one process
    return summarize(
        job,
        found,
        rows,
        known,
        start,
        dry_run=True,
        skipped=skipped,
        bytes=size,
        to_render=to_render,
        shard=str(shard or ""),
        free=free_bytes(job.folder),
        expected_seconds=pace * (len(tasks) - skipped) / workers,
    )


def _tasks(job: Job, found: Scan, place: Workplace, known: dict[str, ClipRow]) -> list[ClipTask]:
    return [ClipTask(clip, known.get(clip.clip), job, place.partial) for clip in found.clips]


def _spread(tasks: Sequence[ClipTask]) -> list[ClipTask]:
    """Up to 20 of them, evenly spread."""
    return list(tasks[:: max(1, -(-len(tasks) // SAMPLE))])


def _settle_all(
    tasks: list[ClipTask], place: Workplace, *, workers: int, seconds: int, progress: Progress
) -> list[Settled]:
    """Settles all clips; each goes into the journal when it is finished. The free space is checked on the way."""
    to_extract = [task for task in tasks if not task.is_stored()]
    first = _spread(to_extract)  # they show how much room all will need
    early = {task.clip.clip for task in first}
    tasks = [*first, *(task for task in tasks if task.clip.clip not in early)]
    done: list[Settled] = []
    fresh = written = 0
    ends = {"crashed": crashed, "hung": functools.partial(hung, seconds=seconds), "seconds": seconds}
    try:
        with (
            writing_journal(place.journal) as add_to_journal,
            contextlib.closing(each_in_processes(settle, tasks, workers=workers, **ends)) as outcomes,
        ):
            for settled in outcomes:
                if settled.fresh:
                    add_to_journal(settled.row)
                done.append(settled)
                fresh, written = fresh + settled.fresh, written + settled.bytes * settled.fresh
                if fresh and len(done) % LOOK == len(first) % LOOK:
                    needed = written * max(0, len(to_extract) - fresh) // fresh
                    check_room(place.store, needed, done=len(done), total=len(tasks))
                progress(len(done), len(tasks), "")
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OutputError(
            f"the disk of {place.store} is full: stopped after {len(done)} of {len(tasks)} clips, which are kept",
            f"{LESS}; then the same command goes on",
        ) from error
    return done


def _known_rows(place: Workplace) -> dict[str, ClipRow]:
    """The rows of the manifest, overridden by those of the shard and of the journal of an interrupted run."""
    places = dict.fromkeys((Workplace(place.store, None), place))
    manifests = [read_manifest(known.folder, known.mend()) for known in places]
    rows = {row.clip: row for rows in manifests for row in rows} | read_journal(place.journal)
    return {clip: row for clip, row in rows.items() if place.shard is None or place.shard.has(clip)}


def _throw_away(folder: Path) -> None:
    """Removes what `prepare` has written, and nothing else; the manifest first: half a store must not pass for one."""
    archives = [path for path in files_below(folder / FRAMES) if path.suffix == ".zip"]
    own = (folder / name for name in (MANIFEST, Workplace(folder, None).journal.name, SETTINGS))
    for path in (*own, *archives):
        path.unlink(missing_ok=True)
