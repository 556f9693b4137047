"""The frames of a store, clip by clip: are they those of the manifest, and can training read them?"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from strmctl.errors import DataError
from strmctl.frames.in_place.image_headers import image_header
from strmctl.frames.store.manifest import STORED, ClipRow
from strmctl.frames.store.store import FrameStore
from strmctl.progress import Progress
from strmctl.videos.frame_positions import even_positions
from strmctl.workers import each_in_processes

CLIPS_PER_TASK = 16  # handing over one clip takes about as long as handing over sixteen
IMAGES_AT_A_TIME = 256  # images of a clip; a long clip of large images would fill the memory
COMPARED = 8  # evenly spaced frames that decide whether two clips are the same


@dataclass(frozen=True)
class ClipCheck:
    """What the frames of one clip are like.

    Attributes:
        clip: id of the clip.
        wrong: `damaged`: not there, or other bytes than the manifest's; `unreadable`: the manifest's bytes, but not
            its frames; `crashed`: they bring the process down; empty: all is well.
        reason: what is wrong.
        content: SHA-256 of the pixels of 8 evenly spaced frames; empty when they were not decoded.
    """

    clip: str
    wrong: Literal["", "damaged", "unreadable", "crashed"] = ""
    reason: str = ""
    content: str = ""


@dataclass(frozen=True)
class _Task:
    part: FrameStore  # the store with some of its rows, so that no process holds all of them
    quick: bool


def check_clips(store: FrameStore, *, workers: int, quick: bool, progress: Progress) -> dict[str, ClipCheck]:
    """Clip id -> what its frames are like, for all clips with frames.

    Args:
        store: the frames.
        workers: number of processes; 1 works in this one.
        quick: whether to read only the first and last frame of each clip; no checksum, nothing decoded.
        progress: called with (clips done, clips in all, what is wrong so far).
    """
    rows = [row for row in store.rows if row.status in STORED]
    checked: dict[str, ClipCheck] = {}

    def look_at(some: Sequence[ClipRow], at_a_time: int) -> None:
        parts = [some[first : first + at_a_time] for first in range(0, len(some), at_a_time)]
        tasks = [_Task(FrameStore(store.folder, store.settings, part, store.manifest_sha256), quick) for part in parts]
        wrong = sum(bool(check.wrong) for check in checked.values())
        with contextlib.closing(each_in_processes(_look_at_all, tasks, workers=workers, crashed=_crashed)) as outcomes:
            for outcome in outcomes:
                checked.update((check.clip, check) for check in outcome)
                wrong += sum(bool(check.wrong) for check in outcome)
                progress(len(checked), len(rows), f"{wrong} damaged" if wrong else "")

    look_at(rows, CLIPS_PER_TASK)
    suspects = {check.clip for check in checked.values() if check.wrong == "crashed"}
    for clip in suspects:  # one of each sixteen did it
        del checked[clip]
    look_at([row for row in rows if row.clip in suspects], 1)
    return checked


def _look_at_all(task: _Task) -> list[ClipCheck]:
    return [_look(task.part, row, quick=task.quick) for row in task.part.rows]


def _crashed(task: _Task) -> list[ClipCheck]:
    return [ClipCheck(row.clip, "crashed", "the decoder crashes on its frames") for row in task.part.rows]


def _look(store: FrameStore, row: ClipRow, *, quick: bool) -> ClipCheck:
    if not quick and (reason := _other_bytes(store, row)):
        return ClipCheck(row.clip, "damaged", reason)
    try:
        content = "" if quick else _decoded(store, row)
        if quick:
            store.read(row.clip, [0, row.frames - 1])
    except DataError as error:
        reason = str(error.__cause__ or error.message).strip('"')
        return ClipCheck(row.clip, "damaged" if quick else "unreadable", reason)
    return ClipCheck(row.clip, content=content)


def _other_bytes(store: FrameStore, row: ClipRow) -> str:
    """Why the frames are not those of the manifest; empty when they are."""
    try:
        same = store.digest(row.clip) == row.sha256
    except FileNotFoundError:
        return "its frames are not there"
    except (OSError, DataError) as error:
        return f"its frames cannot be read: {error}"
    return "" if same else "its frames are not those of the manifest: their SHA-256 differs"


def _decoded(store: FrameStore, row: ClipRow) -> str:
    """SHA-256 of the pixels of 8 evenly spaced frames; the first and the last frame are decoded as well.

    Raises:
        DataError: a frame is missing or damaged, or has another size than the others.
    """
    from strmctl.videos.pixels import decode_frames

    compared = even_positions(row.frames, COMPARED)
    pixels = {}
    for position, image in _read_all(store, row, keep={0, *compared, row.frames - 1}).items():
        try:
            pixels[position] = decode_frames([image])[0].numpy()  # (3, H, W)
        except RuntimeError:
            raise DataError(f"frame {position + 1} of {row.frames} cannot be decoded") from None
    digest = hashlib.sha256(str(pixels[0].shape).encode())
    for position in compared:
        digest.update(pixels[position].tobytes())
    return digest.hexdigest()


def _read_all(store: FrameStore, row: ClipRow, *, keep: Collection[int]) -> dict[int, bytes]:
    """The images at the positions to keep; all others are read as well, and none is decoded.

    Some decoders fill up what is missing of an image, so its end is looked for here.

    Raises:
        DataError: an image is missing, cut off, neither JPEG nor PNG, or of another size than the first.
    """
    kept: dict[int, bytes] = {}
    size = ""
    for first in range(0, row.frames, IMAGES_AT_A_TIME):
        positions = range(first, min(first + IMAGES_AT_A_TIME, row.frames))
        for position, image in zip(positions, store.read(row.clip, positions), strict=True):
            header, which = image_header(image), f"frame {position + 1} of {row.frames}"
            if header is None:
                raise DataError(f"{which} is neither a JPEG nor a PNG image")
            if header.is_huge:
                raise DataError(f"{which} declares {header.size} pixels")
            if header.is_cut_off(image):
                raise DataError(f"{which} is cut off")
            size = size or header.size
            if header.size != size:
                raise DataError(f"{which} has {header.size} pixels, the first has {size}")
            if position in keep:
                kept[position] = image
    return kept
