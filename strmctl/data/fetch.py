"""Fetching the original videos of a data set that is free: its archive, unpacked where they are looked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from strmctl.data.datasets import how_to_get
from strmctl.data.download import download
from strmctl.data.request import Request, look_up
from strmctl.data.unpack import Skipped, unpack
from strmctl.errors import UsageError

DOWNLOADS = "downloads"  # folder of the archives


def fetch(
    request: Request,
    *,
    url: str | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> list[Skipped]:
    """Downloads and unpacks the videos of a data set, unless they are there.

    The archive stays in `<data>/downloads`, so that nothing is fetched twice.

    Args:
        request: what to prepare; its data set says where the videos go.
        url: of the archive, instead of the data set's own address.
        progress: is told (megabytes done, megabytes in all, note).

    Returns:
        Members of the archive that were left out, and why.

    Raises:
        UsageError: the data set is not freely downloadable; the hint says which files to get, and where.
        DataError: the archive cannot be fetched or unpacked.
        OutputError: the disk is full; what has arrived is kept.
    """
    job = look_up(request)
    source = job.dataset.source
    if source is None and url is None:
        raise UsageError(f"{job.dataset.title} cannot be downloaded by strmctl", how_to_get(job.dataset))
    if request.videos is not None or request.frames_from is not None:
        raise UsageError("--download puts the videos where they are looked for", "leave --videos and --frames-from out")
    if job.originals.is_dir() and any(job.originals.iterdir()):
        return []
    address = url or source.url
    name = re.sub(r"[^\w.+-]", "_", PurePosixPath(unquote(urlsplit(address).path)).name).lstrip(".")

    def told(done: int, total: int, note: str) -> None:
        progress(done // 10**6, total // 10**6, note)

    checksum = source.checksum if source and url is None else None
    archive = download(
        address,
        request.data_dir / DOWNLOADS / (name or f"{job.dataset.name}.archive"),
        checksum=checksum,
        progress=told,
    )
    return unpack(archive, job.originals, progress=told)
