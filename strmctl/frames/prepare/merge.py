"""Joining the manifests of shards to the manifest of their store."""

from __future__ import annotations

import shutil
import time
from typing import Any

from strmctl.datasets.names import first_of
from strmctl.datasets.scan import Scan
from strmctl.errors import DataError, UsageError
from strmctl.frames.prepare.request import Job, Request, look_up
from strmctl.frames.prepare.summary import PrepareResult, summarize
from strmctl.frames.store.clip_zip import archive_path, check_no_links
from strmctl.frames.store.manifest import MANIFEST, STORED, ClipRow, read_manifest, write_manifest
from strmctl.frames.store.settings import known_settings, prepare_command, read_settings, write_settings
from strmctl.frames.store.shards import SHARDS, Workplace, shards_in, unfinished

NAMED = 8  # unfinished shards that a message names


def merge(request: Request) -> PrepareResult:
    """Makes one manifest from those of all shards; frames stay where they are, and videos are not needed.

    The store then says that it was made as its shards were, whichever folder of videos this request names.

    Raises:
        UsageError: there are no shards and nothing was merged before, other settings, or a run is at work.
        DataError: shards are missing or unfinished, or contradict each other.
        OutputError: a symbolic link lies in the store.
    """
    start = time.monotonic()
    job = look_up(request)
    whole, shards = Workplace(job.folder, None), shards_in(job.folder)
    for place in (whole, *shards):
        check_no_links(job.folder, place.partial)
        place.check_files()
    known = {row.clip: row for row in read_manifest(job.folder)}
    if known and not shards:  # merged before; a kill may have kept it from cleaning up
        _check_same_clips(job, read_settings(job.folder))
        with whole.occupied():
            rows = list(known.values())
    else:
        rows = _join(job, whole)
    stored = [row for row in rows if row.status in STORED]
    archives = [] if request.frames_from else [archive_path(job.folder, row.clip) for row in stored]
    size = sum(path.stat().st_size for path in archives if path.is_file())
    return summarize(job, Scan(), rows, known, start, skipped=len(stored), bytes=size)


def _join(job: Job, whole: Workplace) -> list[ClipRow]:
    """Makes the manifest and the settings of the store from those of its shards, which go."""
    if missing := unfinished(job.folder):
        command = prepare_command(job.folder, known_settings(shards_in(job.folder)[0].folder))
        hint = f"run `{command} --shard {missing[0]}`{' and so on' if len(missing) > 1 else ''}, then merge again"
        state = f"{len(missing)} shards of {job.folder} are" if len(missing) > 1 else f"a shard of {job.folder} is"
        raise DataError(f"{state} not finished: {first_of(missing, NAMED)}", hint)
    rows: list[ClipRow] = []
    with whole.occupied():
        places = shards_in(job.folder)
        for place in places:
            shard, own = place.shard, read_manifest(place.folder, place.mend())
            if strange := [row.clip for row in own if not shard.has(row.clip)]:
                hint = f"remove {place.folder / MANIFEST}, run `--shard {shard}` again, then merge again"
                raise DataError(f"the manifest of shard {shard} holds a clip of another shard: {strange[0]}", hint)
            rows += own
        settings, *others = [read_settings(place.folder, place.mend()) for place in places]
        if any(other != settings for other in others):
            raise UsageError(
                f"the shards of {job.folder} were prepared with different options",
                f"prepare them again with the same ones, or remove {job.folder / SHARDS}",
            )
        _check_same_clips(job, settings)
        write_manifest(job.folder, rows)
        write_settings(job.folder, settings)
        whole.journal.unlink(missing_ok=True)  # left by a run of the whole that was interrupted before
        merged = whole.partial / SHARDS  # moved away at once: a kill leaves all shards there, or none
        shutil.rmtree(merged, ignore_errors=True)
        (job.folder / SHARDS).rename(merged)
    return rows


def _check_same_clips(job: Job, made: dict[str, Any]) -> None:
    """Makes sure that the request does not choose other clips or classes than the shards have.

    Raises:
        UsageError: it does.
    """
    kept = ("request", "display_name")  # of these, the shards' values are kept
    keys = dict.fromkeys((*job.settings, "frames_pattern"))  # which only some stores have
    changed = [key for key in keys if key not in kept and made.get(key) != job.settings.get(key)]
    if "list" in job.settings["request"] and "list" not in made.get("request", {}):
        changed.append("list")
    if changed:
        hint = f"merge them with `{prepare_command(job.folder, made)} --merge`"
        raise UsageError(f"the shards of {job.folder} were prepared with another {', '.join(changed)}", hint)
