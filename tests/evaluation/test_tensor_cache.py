"""Tensors on disk: resumed after a kill, refused when the disk is full, made again when damaged."""

import json
import shutil
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch

from strmctl.errors import OutputError
from strmctl.evaluation import feature_cache, tensor_cache
from strmctl.evaluation.embed import CLIPS_PER_BATCH
from strmctl.evaluation.tensor_cache import TensorCache

CLIPS = [f"clip {number:02d}" for number in range(2 * CLIPS_PER_BATCH + 3)]
MADE_OF = {"weights_file": "f", "weights": "w", "code": "c", "manifest": "m"}


class Embedder:
    """Features that tell which clip they are of; stops like a killed process after some batches."""

    def __init__(self, batches=99, dtype=torch.float32, pause=0.0):
        self.batches, self.dtype, self.pause, self.embedded = batches, dtype, pause, []

    def __call__(self, clips):
        for first in range(0, len(clips), CLIPS_PER_BATCH):
            if len(self.embedded) == self.batches:
                raise KeyboardInterrupt
            time.sleep(self.pause)
            part = clips[first : first + CLIPS_PER_BATCH]
            self.embedded.append(part)
            numbers = torch.tensor([float(clip[-2:]) for clip in part], dtype=self.dtype)
            yield {"a": numbers[:, None, None] + torch.arange(6).view(2, 3), "b.c": numbers}


def made(folder, made_of=MADE_OF, **how):
    """A cache in which the features of all clips were written."""
    cache = TensorCache(folder, CLIPS, made_of, replaces=partial(feature_cache.replaces, made_of))
    cache.write(Embedder(**how), lambda done: None)
    return cache


def whole(features, dtype=torch.float32):
    """Whether these are the features of all clips."""
    numbers = torch.arange(len(CLIPS), dtype=dtype)
    expected = {"a": numbers[:, None, None] + torch.arange(6).view(2, 3), "b.c": numbers}
    return features.row == {clip: row for row, clip in enumerate(CLIPS)} and all(
        torch.equal(features.tensors[name], value) and features.tensors[name].dtype == dtype
        for name, value in expected.items()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_is_read_is_what_was_written(tmp_path, dtype):
    cache, reports = TensorCache(tmp_path, CLIPS, MADE_OF), []
    assert cache.read() is None
    cache.write(Embedder(dtype=dtype), reports.append)
    assert whole(TensorCache(tmp_path, CLIPS, MADE_OF).read(), dtype)
    assert reports == [0, CLIPS_PER_BATCH, 2 * CLIPS_PER_BATCH, len(CLIPS)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", cache.folder.name]


def test_a_killed_embedding_goes_on_with_the_clips_that_are_missing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, batches=2)
    cache = TensorCache(tmp_path, CLIPS, MADE_OF)
    assert cache.read() is None
    (partial,) = tmp_path.glob("*.part")
    with (partial / "a").open("ab") as file:
        file.write(b"half a row")
    (partial / "b.c").write_bytes((partial / "b.c").read_bytes()[:-3])  # and of the other, not even whole batches
    again = Embedder()
    cache.write(again, lambda done: None)
    assert again.embedded == [CLIPS[CLIPS_PER_BATCH : 2 * CLIPS_PER_BATCH], CLIPS[2 * CLIPS_PER_BATCH :]]
    assert whole(cache.read())


def as_file(folder):
    shutil.rmtree(folder)
    folder.write_text("a file")


def as_folder(path):
    path.unlink()
    path.mkdir()


def swap(folder, other):
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


def edited(**entries):
    def edit(folder):
        index = folder / tensor_cache.INDEX
        content = json.loads(index.read_text())
        content["tensors"]["a"] |= entries
        index.write_text(json.dumps(content))

    return edit


DAMAGES = {
    "another size": lambda folder: (folder / "a").write_bytes((folder / "a").read_bytes()[:-4]),
    "a number that differs": lambda folder: (folder / "a").write_bytes(bytes(len((folder / "a").read_bytes()))),
    "a file that is missing": lambda folder: (folder / "b.c").unlink(),
    "a folder in the place of a file": lambda folder: as_folder(folder / "b.c"),
    "a file in the place of the folder": as_file,
    "no index": lambda folder: (folder / tensor_cache.INDEX).unlink(),
    "an empty index": lambda folder: (folder / tensor_cache.INDEX).write_text(""),
    "a binary index": lambda folder: (folder / tensor_cache.INDEX).write_bytes(b"\xff\0"),
    "an index that is a list": lambda folder: (folder / tensor_cache.INDEX).write_text("[]"),
    "an index that is a folder": lambda folder: as_folder(folder / tensor_cache.INDEX),
    "a shape that is no list": edited(shape=5),
    "an unknown data type": edited(dtype="save"),
    "no hash": edited(sha256=None),
    "features of other clips": lambda folder: swap(folder, other_clips(folder.parent)),
    "features of other frames": lambda folder: swap(folder, made(folder.parent, MADE_OF | {"manifest": "x"}).folder),
}


def other_clips(folder):
    """A cache of as many clips with other names."""
    cache = TensorCache(folder, [f"other {clip}" for clip in CLIPS], MADE_OF)
    cache.write(Embedder(), lambda done: None)
    return cache.folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_named_and_made_again(tmp_path, damage):
    cache, said = made(tmp_path), []
    assert whole(cache.read(said.append)) and said == []
    DAMAGES[damage](cache.folder)
    assert cache.read(said.append) is None
    assert len(said) == 1 and str(cache.folder) in said[0] and said[0].endswith("its features are made again")
    assert whole(cache.write(Embedder(), lambda done: None)) and whole(cache.read())


@pytest.mark.parametrize("spoil", ["[]", "{", '{"tensors": {"a": {"shape": [0], "dtype": "int8"}}, "made_of": {}}'])
def test_a_damaged_unfinished_embedding_begins_anew(tmp_path, spoil):
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, batches=2)
    (partial,) = tmp_path.glob("*.part")
    (partial / tensor_cache.INDEX).write_text(spoil)
    again = Embedder()
    assert whole(TensorCache(tmp_path, CLIPS, MADE_OF).write(again, lambda done: None))
    assert len(again.embedded) == 3


def test_an_unfinished_embedding_of_other_tensors_is_not_filled_up_with_zeros(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, batches=2)
    (partial,) = tmp_path.glob("*.part")
    index = json.loads((partial / tensor_cache.INDEX).read_text())
    del index["tensors"]["a"]
    (partial / tensor_cache.INDEX).write_text(json.dumps(index))
    (partial / "a").unlink()
    with pytest.raises(OutputError, match="holds other features"):
        made(tmp_path)


def test_a_disk_without_room_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    free, need = [0], len(CLIPS) * (6 + 1) * 4
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(free[0]))
    free[0] = 10 * need - 1
    with pytest.raises(OutputError, match="are free"):
        made(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    free[0] += 1
    assert whole(made(tmp_path).read())
    monkeypatch.setattr(tensor_cache, "RESERVE", need)
    free[0] = 2 * need - 1
    with pytest.raises(OutputError, match="are free"):
        made(tmp_path, MADE_OF | {"dtype": "bfloat16"})
    free[0] += 1
    assert whole(made(tmp_path, MADE_OF | {"dtype": "bfloat16"}).read())


def test_features_of_earlier_weights_or_code_are_removed(tmp_path):
    now = {"weights_file": "weights.pt", "weights": "new", "code": "c"}
    earlier = [now | {"weights": "old"}, now | {"code": "b"}]
    damaged = tmp_path / "damaged" / tensor_cache.INDEX
    damaged.parent.mkdir()
    damaged.write_text("{")
    others = [now | {"weights_file": "other.pt", "weights": "x"}, now | {"dtype": "bfloat16"}]
    caches = [made(tmp_path, made_of) for made_of in (*earlier, *others, now)]
    assert [cache.read() is not None for cache in caches] == [False, False, True, True, True]
    assert damaged.is_file(), "nobody knows whose it is"


def test_a_second_process_waits_and_finds_the_features(tmp_path):
    """Two threads stand for two processes: each opens the lock's file itself."""
    embedders = [Embedder(pause=0.05), Embedder(pause=0.05)]
    caches = [TensorCache(tmp_path, CLIPS, MADE_OF) for _ in embedders]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda cache, embedder: cache.write(embedder, lambda done: None), caches, embedders))
    assert sorted(len(embedder.embedded) for embedder in embedders) == [0, 3]
    assert all(whole(cache.read()) for cache in caches)
