"""Joining the manifests of shards to the manifest of their store."""

from __future__ import annotations

import shutil
import time
from collections import Counter

from strmctl.data.archives import archive_path
from strmctl.data.manifest import STORED, ClipRow, read_manifest, write_manifest
from strmctl.data.prepare_result import PrepareResult, summarize
from strmctl.data.request import Request, look_up
from strmctl.data.scan import Scan
from strmctl.data.shards import SHARDS, Shard, Workplace, shards_in, unfinished
from strmctl.data.store_settings import read_settings, write_settings
from strmctl.errors import DataError, UsageError

NAMED = 8  # unfinished shards that a message names


def merge(request: Request) -> PrepareResult:
    """Makes one manifest of those of all shards; frames stay where they are, and videos are not needed.

    Raises:
        UsageError: there are no shards, they were made with other settings, or a run is at work.
        DataError: shards are missing or unfinished, or contradict each other.
    """
    start = time.monotonic()
    job = look_up(request)
    whole = Workplace(job.folder, None)
    if missing := unfinished(job.folder):
        named = ", ".join(missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
        hint = f"run `prepare {request.what} --shard {missing[0]}` and so on, then merge again"
        raise DataError(f"{len(missing)} shards of {job.folder} are not finished: {named}", hint)
    rows: list[ClipRow] = []
    settings = []
    with whole.occupied():
        for folder in shards_in(job.folder):
            index, count = (int(part) for part in folder.name.split("-of-"))
            shard = Shard(index, count)
            with Workplace(job.folder, shard).occupied():
                job.check_settings(Workplace(job.folder, shard))
                own = read_manifest(folder)
            if strange := [row.clip for row in own if not shard.has(row.clip)]:
                raise DataError(f"the manifest of shard {shard} holds a clip of another shard: {strange[0]}")
            rows += own
            settings.append(read_settings(folder))
        if any(other != settings[0] for other in settings):
            raise UsageError(
                f"the shards of {job.folder} were prepared with different options",
                f"prepare them again with the same ones, or remove {job.folder / SHARDS}",
            )
        write_manifest(job.folder, rows)
        write_settings(job.folder, job.settings)
        shutil.rmtree(job.folder / SHARDS)
    sizes = [archive_path(job.folder, row.clip) for row in rows if row.status in STORED and not request.frames_from]
    size = sum(path.stat().st_size for path in sizes if path.is_file())
    stored = Counter(row.status in STORED for row in rows)[True]
    return summarize(job, Scan(), rows, {}, start, dry_run=False, skipped=stored, size=size)
