"""Which options of `prepare` go together, and what a folder of the user's own is called."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from strmctl.datasets.catalogue import DATA_SETS, DataSet
from strmctl.datasets.draw_split import Shares
from strmctl.errors import DataError, UsageError
from strmctl.frames.store.settings import DEFAULTS

if TYPE_CHECKING:
    from strmctl.frames.prepare.request import Request


def own_dataset(request: Request) -> DataSet:
    """The data set that a folder of videos, or of extracted frames, is.

    Raises:
        UsageError: it has no name, or that of a data set.
        DataError: it is a file.
    """
    layout = "flat" if request.flat else "class_folders"
    if request.frames_from is not None:
        if os.sep in request.what:
            name = _plain(Path(request.what)) or "mine"
            hint = f"`{_command('prepare', name, '--frames-from', str(request.frames_from))}`"
            raise UsageError("--frames-from names the frames: a folder of videos beside it makes no sense", hint)
        return DataSet(request.name or request.what, request.what, layout)
    if Path(request.what).is_file():
        folder = Path(request.what).absolute().parent
        classes = ""
        with contextlib.suppress(OSError):  # the folder above need not be readable
            if sum(path.is_dir() for path in folder.parent.iterdir()) > 1:
                classes = f"; with classes, the folder above: `{_command('prepare', str(folder.parent))}`"
        hint = f"name its folder: `{_command('prepare', str(folder), '--flat')}`{classes}"
        raise DataError(f"{request.what} is a file, not a folder of videos", hint)
    name = request.name if request.name is not None else _folder_name(request.what)
    if name in DATA_SETS:
        hint = (
            f"if these are its videos, `{_command('prepare', name, '--videos', request.what)}`; else another `--name`"
        )
        raise UsageError(f"{name} is a data set of its own", hint)
    return DataSet(name, name, layout)


def _command(*words: str) -> str:
    return shlex.join(["strmctl", *words])


def _folder_name(folder: str) -> str:
    """The name of a folder as that of a frame store.

    Raises:
        UsageError: nothing of it can be one.
    """
    plain = _plain(Path(folder))
    if not plain:
        raise UsageError(f"the folder {folder} gives the frame store no name", "add `--name mine`, or any plain word")
    return plain


def _plain(folder: Path) -> str:
    """The name of a folder as a plain word; empty where it is none that a frame store can have."""
    plain = re.sub(r"[^\w.-]+", "_", folder.resolve().name).strip("._-")
    return "" if plain == "videos" else plain


def check_options(request: Request, dataset: DataSet, own: bool) -> None:
    """Makes sure that the options of a request go together.

    Raises:
        UsageError: they do not; all problems are named together.
    """
    name = request.name
    if name is not None and (name in ("", "videos") or name[0] in ".-" or {"/", "\\", os.sep} & {*name}):
        raise UsageError(f"{name!r} cannot name a frame store", "it becomes a folder beside `videos`: use a plain word")
    taken = request.frames_from is not None
    clashes = {
        "--flat is for a folder of videos, not for a data set": request.flat and not own,
        "--flat means no classes: --split has no effect": request.flat and request.split_file is not None,
        "--videos is for a data set; the folder is named already": own and request.videos is not None,
        "--annotations is for ssv2 and ssv2_small": request.annotations is not None and dataset.layout != "ssv2",
        "--frames-from takes frames where they lie: --videos has no effect": taken and request.videos,
        "--frames-from takes frames as they are: --size, --quality and --frames have no effect": taken
        and (request.size, request.quality, request.frames) != (None, DEFAULTS["quality"], None),
        "--frames-pattern chooses among the images of --frames-from": request.frames_pattern is not None and not taken,
        f"{request.frames_pattern!r} is no pattern for the names of images": request.frames_pattern is not None
        and (not request.frames_pattern or os.sep in request.frames_pattern),
        "sprites are rendered; there are no frames to take from elsewhere": taken and dataset.name == "sprites",
        "--seed is for sprites, which are rendered, and for a split that is drawn": request.seed is not None
        and dataset.name != "sprites"
        and not isinstance(request.split_file, Shares),
        f"a split is drawn for a folder; {dataset.name} has one": isinstance(request.split_file, Shares) and not own,
        "--frames below 8 leaves clips that cannot be sampled": request.frames is not None and request.frames < 8,
        "--quality goes from 1 to 100": not 1 <= request.quality <= 100,
    }
    if wrong := [message for message, applies in clashes.items() if applies]:
        raise UsageError("; ".join(wrong), "see `strmctl prepare --help`")
