"""A frame store in memory for tests of training and evaluation: a class is a colour, a clip is a few noisy frames."""

import hashlib
from types import SimpleNamespace

import cv2
import numpy as np

from strmctl.recipe import load_recipe

COLOURS = [(250, 20, 20), (20, 250, 20), (20, 20, 250), (240, 240, 20), (20, 240, 240), (240, 20, 240)]


class ToyStore:
    """What `ClipLoader` needs of a frame store."""

    name = "toy"
    prepare_command = "strmctl prepare toy"
    display_name = "toy"
    manifest_sha256 = "0" * 64

    def __init__(self, each=8, side=16, contrast=1.0):
        self.each, self.side, self.contrast = each, side, contrast
        self.reads = 0
        names = [clip for subset in ("train", "val", "test") for ids in self.clips(subset).values() for clip in ids]
        self.by_id = {clip: SimpleNamespace(frames=12) for clip in names}
        self.settings = {"classes": {subset: list(self.clips(subset)) for subset in ("train", "val", "test")}}

    def clips(self, subset):
        numbers = {"train": (0, 1, 2), "val": (3, 4), "test": (3, 4, 5)}[subset]
        return {f"{subset}{n}": [f"{subset}{n}/{i:02d}" for i in range(self.each)] for n in numbers}

    def read(self, clip, positions):
        self.reads += 1
        seed = int.from_bytes(hashlib.sha256(clip.encode()).digest()[:4], "big")
        generator = np.random.default_rng(seed)
        colour = 128 + self.contrast * (np.array(COLOURS[int(clip.split("/")[0][-1])]) - 128)
        frames = []
        for position in positions:
            noise = generator.integers(-60, 60, (self.side, self.side, 3))
            frame = np.clip(colour * (0.7 + 0.02 * position) + noise, 0, 255).astype(np.uint8)
            frames.append(cv2.imencode(".jpg", frame)[1].tobytes())
        return frames


TOY = (
    *("data.dataset=toy", "input.size=16", "input.crop=16", "trm.dim=8", "query_class.dim=8"),
    *("patch_enrichment.patches=1", "patch_enrichment.hidden=8"),
    *("train.way=2", "train.episodes=12", "train.queries=2", "validation.every=4", "validation.episodes=20"),
)


def toy_recipe(*assignments):
    """The sprites recipe, made small."""
    return load_recipe("sprites", (*TOY, *assignments))
