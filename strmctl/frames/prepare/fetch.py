"""Fetching the original videos of a data set that is free: its archive, unpacked where they are looked for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from strmctl.datasets.catalogue import DATA_SETS, how_to_get
from strmctl.datasets.download import download
from strmctl.datasets.splits import class_key
from strmctl.datasets.unpack import Skipped, unpack
from strmctl.errors import UsageError
from strmctl.frames.prepare.request import Job, Request, look_up
from strmctl.paths import alone
from strmctl.progress import Progress, silent

DOWNLOADS = "downloads"  # folder of the archives, one folder per data set and server


class ToFetch(NamedTuple):
    """What is still to be fetched.

    Attributes:
        url: of the archive.
        archive: where it goes.
        videos: folder that it is unpacked into.
        checksum: that it must have; None where none can be cited.
        classes: keys of the class folders in it.
    """

    url: str
    archive: Path
    videos: Path
    checksum: str | None
    classes: Collection[str]


def to_fetch(request: Request, *, url: str | None = None) -> ToFetch | None:
    """What `fetch` would fetch; None when the videos are there. Asks no server.

    Raises:
        UsageError: as in `fetch`.
    """
    job = look_up(request)
    _check(job, url)
    if job.originals.is_dir() and any(not path.name.startswith(".") for path in job.originals.iterdir()):
        return None
    source = job.dataset.source
    address = url or source.url
    name = re.sub(r"[^\w.+-]", "_", PurePosixPath(unquote(urlsplit(address).path)).name).lstrip(".")
    host = re.sub(r"[^\w.-]", "_", urlsplit(address).hostname or "")  # another address, another file
    archive = request.data_dir / DOWNLOADS / job.dataset.name / f"from {host}" / (name or "archive")
    checksum = source.checksum if source and url is None else None
    return ToFetch(address, archive, job.originals, checksum, job.split.by_key())


def fetch(request: Request, *, url: str | None = None, progress: Progress = silent) -> list[Skipped]:
    """Downloads and unpacks the videos of a data set, unless they are there.

    The archive stays in `<data>/downloads/<data set>/from <server>`, so that nothing is fetched twice. Of several
    processes, such as shards that start together, one does it and the others wait.

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
    if (wanted := to_fetch(request, url=url)) is None:
        return []
    with alone(wanted.archive.parent / ".lock"):
        if to_fetch(request, url=url) is None:  # another process was faster
            return []
        told = _in_megabytes(progress)
        archive = download(wanted.url, wanted.archive, checksum=wanted.checksum, progress=told)
        unpacked = wanted.videos.with_name(f".{wanted.videos.name}.unpacked")  # whole, if it is there after a kill
        left_out = [] if unpacked.is_dir() else unpack(archive, unpacked, progress=told)
        inside = _without_wrapping(unpacked, wanted.classes)
        wanted.videos.mkdir(parents=True, exist_ok=True)
        for hidden in wanted.videos.iterdir():  # such as .DS_Store; it stays
            hidden.rename(inside / hidden.name)
        wanted.videos.rmdir()
        inside.rename(wanted.videos)
        shutil.rmtree(unpacked, ignore_errors=True)
        return left_out


def _check(job: Job, url: str | None) -> None:
    dataset, request = job.dataset, job.request
    if dataset.name == "sprites":
        raise UsageError("sprites are rendered; there is nothing to download", "leave `--download` out")
    if dataset.name not in DATA_SETS:
        raise UsageError(f"--download is for a data set, which {request.what} is not", "leave `--download` out")
    if dataset.source is None and url is None:
        raise UsageError(f"{dataset.title} cannot be downloaded by strmctl", how_to_get(dataset))
    if request.videos is not None or request.frames_from is not None:
        raise UsageError("--download puts the videos where they are looked for", "leave --videos and --frames-from out")


def _without_wrapping(folder: Path, classes: Collection[str]) -> Path:
    """The folder, or the one around the class folders in it: clips are called the same as in a folder named by hand."""
    inside = list(folder.iterdir())
    while len(inside) == 1 and inside[0].is_dir() and class_key(inside[0].name) not in classes:
        folder = inside[0]
        inside = list(folder.iterdir())
    return folder


def _in_megabytes(progress: Progress) -> Progress:
    """Tells bytes as megabytes, and only what is new: archives hold thousands of small files."""
    last = (0, 0, "")

    def told(done: int, total: int, note: str) -> None:
        nonlocal last
        now = (done // 10**6, total // 10**6, note)
        if now != last and (any(now[:2]) or note):
            progress(*now)
        last = now

    return told
