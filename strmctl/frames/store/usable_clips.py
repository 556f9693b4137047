"""The clips of a subset that episodes may use, and what to do about classes that have none."""

from __future__ import annotations

from strmctl.datasets.names import first_of
from strmctl.errors import DataError
from strmctl.frames.store.store import FrameStore

NAMED = 8  # missing classes that a message names


def usable_clips(store: FrameStore, subset: str, *, missing_classes: str) -> tuple[dict[str, list[str]], list[str]]:
    """Class -> clip ids of a subset, and the classes that are left out because none of their clips is usable.

    Args:
        store: the frames.
        subset: `train`, `val` or `test`.
        missing_classes: what to do about classes without a usable clip: `error`, or `drop` to go on without them.

    Raises:
        DataError: training or test has no clips at all, or classes are missing and are not to be dropped.
    """
    clips = store.clips(subset)
    expected = store.settings.get("classes", {}).get(subset, [])
    missing = sorted(set(expected) - set(clips))
    may_be_empty = subset == "val" and (not expected or missing_classes == "drop")  # training does without validation
    if not clips and not may_be_empty:
        hint = f"run `{store.prepare_command}` once the videos are there"
        if not expected and any(row.cls for row in store.rows):
            hint = f"`{store.prepare_command} --split 60/20/20` draws a split of its classes; a file names one"
        elif not expected:
            hint = "a store without classes cannot be trained or tested on; `strmctl viz` draws its videos"
        raise DataError(f"the frame store {store.name} has no usable clip in its {subset} split", hint)
    if missing and missing_classes == "error":
        names = first_of(missing, NAMED)
        raise DataError(
            f"{len(missing)} of {len(expected)} {subset} classes of {store.name} have no usable clip: {names}",
            "prepare the missing videos, or go on without them: `--missing-classes drop` in a test, "
            "`--set data.missing_classes=drop` in training",
        )
    return clips, missing
