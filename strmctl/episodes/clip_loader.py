"""From frames to the clip that a model sees: which frames, resized, cropped, mirrored; uint8 until the device.

Frames are evenly spaced in test, with jittered ends in training. With a rate they are from the middle of the clip in
test, and from anywhere in it in training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from typing import Literal

import torch

from strmctl.datasets.names import first_of
from strmctl.draws import Draws
from strmctl.errors import DataError
from strmctl.frames.store.settings import prepare_command
from strmctl.frames.store.store import FrameStore
from strmctl.videos.frame_positions import even_positions, fits, jittered_positions
from strmctl.videos.pixels import centre_crop, decode_frames, to_shorter_side

FrameOrder = Literal["natural", "repeated", "shuffled"]
ORDERS: dict[FrameOrder, str] = {
    "natural": "as they are",
    "shuffled": "frames shuffled",
    "repeated": "one frame repeated",
}
NAMED = 8  # clips that a message names


class ClipLoader:
    """Reads clips of a store as tensors.

    Args:
        store: frame store to read from.
        frames: L, frames per clip.
        size: shorter side that frames are resized to (bilinear) where it differs, pixels.
        crop: side of the square that is cut out, pixels: the centre in test, anywhere in training.
        flip: whether half of the training clips are mirrored.
        rate: number of these frames per second of video; None: they are spread over the whole clip, as in one that is
            too short for it.
        order: `natural`; `repeated`: the middle frame L times; `shuffled`: the frames in a fixed random order per clip.

    Raises:
        DataError: there is a rate, and that of the stored frames is not known.

    Example:
        >>> store = strmctl.FrameStore.open(Path("data"), "mine")
        >>> strmctl.ClipLoader(store, frames=8, size=32, crop=24, flip=False).load("sit/0").shape
        torch.Size([8, 3, 24, 24])
    """

    def __init__(
        self,
        store: FrameStore,
        *,
        frames: int,
        size: int,
        crop: int,
        flip: bool,
        rate: float | None = None,
        order: FrameOrder = "natural",
    ) -> None:
        self.store, self.frames, self.size, self.crop, self.flip, self.order = store, frames, size, crop, flip, order
        self.rate = rate
        if rate is not None:
            _check_rates(store)

    def load(self, clip: str, draws: Draws | None = None) -> torch.Tensor:
        """One clip, uint8 (L, 3, crop, crop); with `draws`, jittered, cropped and mirrored as in training.

        Raises:
            DataError: a frame is missing or damaged; names the clip.
        """
        positions = self._reorder(clip, self.positions(clip, draws))
        pixels = to_shorter_side(self._decode(clip, positions), self.size)
        if draws is None:
            return centre_crop(pixels, self.crop)
        # one crop and one flip for all frames of a clip
        top = draws.integer(0, pixels.shape[-2] - self.crop)
        left = draws.integer(0, pixels.shape[-1] - self.crop)
        pixels = pixels[..., top : top + self.crop, left : left + self.crop]
        return pixels.flip(-1) if self.flip and draws.sign() < 0 else pixels

    def positions(self, clip: str, draws: Draws | None = None) -> list[int]:
        """Positions of the frames that are taken of a clip, in the order of time; with `draws`, as in training."""
        row = self.store.by_id[clip]
        if draws is None:
            return even_positions(row.frames, self.frames, self.rate, row.fps)
        return jittered_positions(row.frames, self.frames, draws, self.rate, row.fps)

    def ill_fitting(self, clips: Iterable[str]) -> list[str]:
        """Clips that are too short for the rate, or have fewer frames a second; none without a rate."""
        rows = (self.store.by_id[clip] for clip in clips if self.rate is not None)
        return [row.clip for row in rows if not fits(row.frames, self.frames, self.rate, row.fps)]

    def load_many(
        self, clips: Sequence[str], pool: Executor, draws: Iterable[Draws | None] | None = None
    ) -> torch.Tensor:
        """Several clips, uint8 (N, L, 3, crop, crop), decoded by the threads of `pool`."""
        return torch.stack(list(pool.map(self.load, clips, draws or [None] * len(clips))))

    def _reorder(self, clip: str, positions: list[int]) -> list[int]:
        if self.order == "repeated":
            return [positions[len(positions) // 2]] * len(positions)
        if self.order == "shuffled":
            draws = Draws("shuffled frames", clip)
            return sorted(positions, key=lambda _: draws.uniform())
        return positions

    def _decode(self, clip: str, positions: list[int]) -> torch.Tensor:
        encoded = self.store.read(clip, positions)
        try:
            return decode_frames(encoded)
        except RuntimeError as error:
            hint = f"`{self.store.prepare_command} --redo` extracts all again"
            raise DataError(f"a stored frame of clip {clip} cannot be decoded", hint) from error


def rate_note(loader: ClipLoader, clips: Sequence[str]) -> str:
    """What a user should know of clips that do not fit the rate; empty where all do."""
    if not (odd := loader.ill_fitting(clips)):
        return ""
    return (
        f"note: {len(odd)} of {len(clips)} clips do not fit `input.rate`: where {loader.frames} frames at "
        f"{loader.rate:g} a second take longer than the clip, they are spread over it, and where it has fewer a "
        f"second, some are taken twice ({first_of(odd, NAMED)})"
    )


def _check_rates(store: FrameStore) -> None:
    """Makes sure that all frames of each video are stored, and that it is known how many it has per second.

    Raises:
        DataError: they are not, or it is not.
    """
    needs = "input.rate needs all frames of videos that say how many they have per second"
    without = "or train with `--set input.rate=null`, which spreads frames over whole clips"
    if store.settings.get("frames_from"):
        message = f"{needs}, and the frame store {store.name} has frames that were extracted before"
        raise DataError(message, f"prepare the videos themselves, {without}")
    if not store.keeps_all:
        message = f"{needs}, and the frame store {store.name} keeps {store.settings['frames']} of each"
        command = prepare_command(store.folder, store.settings | {"frames": "all"})
        raise DataError(message, f"`{command} --redo` keeps all; {without}")
    if unknown := [row.clip for row in store.rows if row.status == "ok" and not row.fps]:
        message = f"{needs}, and {len(unknown)} of {len(store.rows)} in {store.name} do not: {first_of(unknown, NAMED)}"
        raise DataError(message, f"convert them to MP4 and run `{store.prepare_command}`; {without}")
