"""What `prepare --download` fetches: the archive of a free data set, into the folder where its videos belong."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from strmctl.datasets.catalogue import DATA_SETS, how_to_get
from strmctl.datasets.download import ToFetch
from strmctl.errors import UsageError
from strmctl.frames.prepare.request import Request, look_up

DOWNLOADS = "downloads"  # folder of the archives, with one folder per data set and server


def to_fetch(request: Request, *, url: str | None = None) -> ToFetch | None:
    """What `prepare --download` has to fetch first; None when the videos are there. Asks no server.

    Args:
        request: what to prepare; its data set says where the videos go.
        url: address of the archive, instead of the data set's own.

    Raises:
        UsageError: the data set is not freely downloadable (the hint says which files to get, and where), or the
            options do not go together.
    """
    job = look_up(request)
    dataset, source = job.dataset, job.dataset.source
    if dataset.name == "sprites":
        raise UsageError("sprites are rendered; there is nothing to download", "leave `--download` out")
    if dataset.name not in DATA_SETS:
        raise UsageError(f"--download is for a data set, which {request.what} is not", "leave `--download` out")
    if source is None and url is None:
        raise UsageError(f"{dataset.title} cannot be downloaded by strmctl", how_to_get(dataset))
    if request.videos is not None or request.frames_from is not None:
        raise UsageError(
            "--download puts the videos where they are looked for", "leave `--videos` and `--frames-from` out"
        )
    address = urlsplit(url or source.url)
    if address.scheme.lower() not in ("http", "https"):
        hint = "a file that is here already is unpacked by hand; then name its folder with `--videos`"
        raise UsageError(f"{url!r} is not an http:// or https:// address", hint)
    name = re.sub(r"[^\w.+-]", "_", PurePosixPath(unquote(address.path)).name).lstrip(".") or "archive"
    host = re.sub(r"[^\w.-]", "_", address.hostname or "")  # another address, another file
    archive = request.data_dir / DOWNLOADS / dataset.name / f"from {host}" / name
    checksum = source.checksum if source and url is None else None
    wanted = ToFetch(address.geturl(), archive, job.originals, checksum, job.split.by_key())
    return None if wanted.is_done() else wanted
