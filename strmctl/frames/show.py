"""What `data show` shows of a frame store: which clips, and small pictures of their frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from strmctl.datasets.names import first_of
from strmctl.datasets.splits import class_key
from strmctl.errors import DataError, did_you_mean
from strmctl.frames.store.manifest import MANIFEST, STORED, ClipRow, subset_rank
from strmctl.frames.store.store import FrameStore
from strmctl.videos.frame_positions import even_positions

NAMED = 5  # clips or classes that a message offers


def named_clips(store: FrameStore, names: Iterable[str]) -> list[ClipRow]:
    """The rows of clips, in the order of their names.

    Args:
        store: the frames.
        names: full ids, or the last parts of ids where those are unique.

    Raises:
        DataError: there is no such clip, or several.
    """
    by_last: dict[str, list[str]] = defaultdict(list)
    for row in store.rows:
        by_last[row.clip.rpartition("/")[2]].append(row.clip)
    rows = []
    for name in names:
        fits = [name] if name in store.by_id else by_last.get(name, [])
        if len(fits) > 1:
            hint = f"name it in full: {first_of(fits, NAMED)}"
            raise DataError(f"{name!r} fits {len(fits)} clips of the frame store {store.name}", hint)
        if not fits:
            hint = f"{did_you_mean({**store.by_id, **by_last}, name)}all clips stand in {store.folder / MANIFEST}"
            raise DataError(f"the frame store {store.name} has no clip {name!r}", hint)
        rows.append(store.by_id[fits[0]])
    return rows


def some_clips(
    store: FrameStore, *, per_class: int, classes: str | None = None, subset: str | None = None
) -> list[ClipRow]:
    """Some rows with frames of each class, evenly spaced in the order of ids: the same in every call.

    Args:
        store: the frames.
        per_class: how many rows of each class, where there are so many.
        classes: comma-separated names; None: all. A name may hold commas; case and underscores make no difference.
        subset: `train`, `val` or `test`; None: all.

    Raises:
        DataError: there is no such class, or no clip with frames.
    """
    by_class: dict[tuple[int, str], list[ClipRow]] = defaultdict(list)
    for row in store.rows:
        if row.status in STORED and subset in (None, row.subset):
            by_class[subset_rank(row.subset), row.cls].append(row)
    if classes is not None:
        chosen = _split_names(classes, {class_key(cls): cls for _, cls in by_class}, store.name)
        by_class = {key: rows for key, rows in by_class.items() if class_key(key[1]) in chosen}
    if not by_class:
        where = f"the {subset} split of " if subset else ""
        raise DataError(f"there is no clip with frames in {where}the frame store {store.name}")
    return [row for _, rows in sorted(by_class.items()) for row in _spread(rows, per_class)]


def _spread(rows: Sequence[ClipRow], most: int) -> list[ClipRow]:
    count = min(most, len(rows))
    return [rows[(2 * index + 1) * len(rows) // (2 * count)] for index in range(count)]


def _split_names(text: str, known: dict[str, str], store: str) -> set[str]:
    """Class keys in a comma-separated text; names with commas in them are tried first."""
    parts, chosen = text.split(","), set()
    while parts:
        for length in range(len(parts), 0, -1):
            key = class_key(",".join(parts[:length]))
            if key in known:
                chosen.add(key)
                parts = parts[length:]
                break
        else:
            name = parts[0].strip()
            hint = f"{did_you_mean(known.values(), name)}it has: {first_of(sorted(known.values()), NAMED)}"
            raise DataError(f"the frame store {store} has no clip of a class {name!r} here", hint)
    return chosen


def small_pictures(store: FrameStore, row: ClipRow, *, count: int, height: int, width: int) -> list[np.ndarray]:
    """Evenly spaced frames of a clip, each as large as fits a height and a width, with its proportions kept.

    Args:
        store: the frames.
        row: row of a clip with frames.
        count: number of pictures; a shorter clip shows some frames twice.
        height: greatest height, pixels.
        width: greatest width, pixels.

    Returns:
        RGB, uint8 (h, w, 3) with h <= height and w <= width.

    Raises:
        DataError: a frame is missing or damaged; names the clip.
    """
    pictures = []
    for number, image in enumerate(store.read(row.clip, even_positions(row.frames, count)), 1):
        frame = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if frame is None:
            raise DataError(f"picture {number} of clip {row.clip} cannot be decoded")
        scale = min(height / frame.shape[0], width / frame.shape[1])
        size = [max(1, round(side * scale)) for side in frame.shape[1::-1]]
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pictures.append(cv2.cvtColor(cv2.resize(frame, size, interpolation=smooth), cv2.COLOR_BGR2RGB))
    return pictures


def facts(row: ClipRow) -> list[str]:
    """What the manifest says about a clip, a line each, without its id."""
    rate = f", {row.fps:.5g} frames/s" if row.fps else ""
    size = f", original {row.width}×{row.height}{rate}" if row.width else ""
    return [
        " · ".join(filter(None, (row.subset, row.cls))) or "no class",
        f"{row.frames} frames{size}",
        f"{row.status}{f': {row.reason}' if row.reason and row.status in STORED else ''} · {row.decoder}",
    ]
