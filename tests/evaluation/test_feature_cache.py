"""Features on disk: the same bits as in memory, resumed after a kill, refused when the disk is full."""

import json
import shutil
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from strmctl.errors import NotFiniteError, OutputError
from strmctl.evaluation import feature_cache
from strmctl.evaluation.embed import CLIPS_PER_BATCH
from strmctl.evaluation.feature_cache import FeatureCache, split_features
from strmctl.evaluation.match import all_clips
from strmctl.provenance import sha256_of
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import load_run
from tests.small_world import small_recipe

CLIPS = [f"clip {number:02d}" for number in range(2 * CLIPS_PER_BATCH + 3)]
MADE_OF = {"weights": "w", "manifest": "m"}


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
    cache = FeatureCache(folder, CLIPS, made_of)
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
    cache, reports = FeatureCache(tmp_path, CLIPS, MADE_OF), []
    assert cache.read() is None
    cache.write(Embedder(dtype=dtype), reports.append)
    assert whole(FeatureCache(tmp_path, CLIPS, MADE_OF).read(), dtype)
    assert reports == [0, CLIPS_PER_BATCH, 2 * CLIPS_PER_BATCH, len(CLIPS)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", cache.folder.name]


def test_a_killed_embedding_goes_on_with_the_clips_that_are_missing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, batches=2)
    cache = FeatureCache(tmp_path, CLIPS, MADE_OF)
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
        index = folder / feature_cache.INDEX
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
    "no index": lambda folder: (folder / feature_cache.INDEX).unlink(),
    "an empty index": lambda folder: (folder / feature_cache.INDEX).write_text(""),
    "a binary index": lambda folder: (folder / feature_cache.INDEX).write_bytes(b"\xff\0"),
    "an index that is a list": lambda folder: (folder / feature_cache.INDEX).write_text("[]"),
    "an index that is a folder": lambda folder: as_folder(folder / feature_cache.INDEX),
    "a shape that is no list": edited(shape=5),
    "an unknown data type": edited(dtype="save"),
    "no hash": edited(sha256=None),
    "features of other clips": lambda folder: swap(folder, other_clips(folder.parent)),
    "features of other frames": lambda folder: swap(folder, made(folder.parent, MADE_OF | {"manifest": "x"}).folder),
}


def other_clips(folder):
    """A cache of as many clips with other names."""
    cache = FeatureCache(folder, [f"other {clip}" for clip in CLIPS], MADE_OF)
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
    (partial / feature_cache.INDEX).write_text(spoil)
    again = Embedder()
    assert whole(FeatureCache(tmp_path, CLIPS, MADE_OF).write(again, lambda done: None))
    assert len(again.embedded) == 3


def test_an_unfinished_embedding_of_other_tensors_is_not_filled_up_with_zeros(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, batches=2)
    (partial,) = tmp_path.glob("*.part")
    index = json.loads((partial / feature_cache.INDEX).read_text())
    del index["tensors"]["a"]
    (partial / feature_cache.INDEX).write_text(json.dumps(index))
    (partial / "a").unlink()
    with pytest.raises(OutputError, match="holds other features"):
        made(tmp_path)


def test_a_disk_without_room_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    free, need = [0], len(CLIPS) * (6 + 1) * 4
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(free[0]))
    free[0] = feature_cache.RESERVE + need - 1
    with pytest.raises(OutputError, match="are free"):
        made(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    free[0] += 1
    assert whole(made(tmp_path).read())


def test_features_of_earlier_weights_or_code_are_removed(tmp_path):
    now = {"weights_file": "weights.pt", "weights": "new", "code": "c"}
    earlier = [now | {"weights": "old"}, now | {"code": "b"}]
    damaged = tmp_path / "damaged" / feature_cache.INDEX
    damaged.parent.mkdir()
    damaged.write_text("{")
    others = [now | {"weights_file": "other.pt", "weights": "x"}, now | {"dtype": "bfloat16"}]
    caches = [made(tmp_path, made_of) for made_of in (*earlier, *others, now)]
    assert [cache.read() is not None for cache in caches] == [False, False, True, True, True]
    assert damaged.is_file(), "nobody knows whose it is"


def test_a_second_process_waits_and_finds_the_features(tmp_path):
    """Two threads stand for two processes: each opens the lock's file itself."""
    embedders = [Embedder(pause=0.05), Embedder(pause=0.05)]
    caches = [FeatureCache(tmp_path, CLIPS, MADE_OF) for _ in embedders]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda cache, embedder: cache.write(embedder, lambda done: None), caches, embedders))
    assert sorted(len(embedder.embedded) for embedder in embedders) == [0, 3]
    assert all(whole(cache.read()) for cache in caches)


@pytest.fixture
def run(trained_runs, tmp_path):
    """A run without features."""
    return replace(load_run(trained_runs / "sprites", device="cpu"), folder=tmp_path)


def test_the_same_test_reads_no_frame_again(run, store, reads):
    clips = all_clips(store.clips("test"))
    first = split_features(run, store, clips)
    assert sorted(reads) == clips
    other = small_recipe("train.episodes=3", "validation.every=2", "name=other")  # none of it decides the features
    again = split_features(replace(run, recipe=other), store, clips, memory=0)  # mapped, not read into memory
    assert len(reads) == len(clips) and again.row == first.row
    assert all(torch.equal(again.tensors[name], first.tensors[name]) for name in first.tensors)


def test_a_cache_that_is_no_folder_costs_no_number(run, store):
    clips, said = all_clips(store.clips("test")), []
    first = split_features(run, store, clips)
    shutil.rmtree(run.folder / "cache")
    (run.folder / "cache").write_text("a file")
    again = split_features(run, store, clips, announce=said.append)
    assert len(said) == 1 and str(run.folder / "cache") in said[0]
    assert all(torch.equal(again.tensors[name], first.tensors[name]) for name in first.tensors)


def test_kept_features_that_are_not_finite_name_the_clip(run, store):
    """Such as an earlier version kept them."""
    clips = all_clips(store.clips("test"))
    split_features(run, store, clips)
    (index,) = run.folder.glob("cache/*/features.json")
    content = json.loads(index.read_text())
    name, entry = next(iter(content["tensors"].items()))
    path = index.with_name(name)
    row = path.stat().st_size // len(clips)
    path.write_bytes(path.read_bytes()[:row] + b"\xff" * row + path.read_bytes()[2 * row :])
    entry["sha256"] = sha256_of(path)
    index.write_text(json.dumps(content))
    with pytest.raises(NotFiniteError, match=f"the features of clip {clips[1]} are not finite") as caught:
        split_features(run, store, clips, memory=0)
    assert caught.value.hint == f"remove {index.parent}, and they are made again"


def test_without_room_on_the_disk_the_features_are_made_in_memory(run, store, monkeypatch):
    clips, said = all_clips(store.clips("test")), []
    with monkeypatch.context() as patch:
        patch.setattr(feature_cache, "RESERVE", 1 << 62)
        made_in_memory = split_features(run, store, clips, announce=said.append)
    assert len(said) == 1 and said[0].endswith("they are not kept")
    kept = split_features(run, store, clips)
    assert kept.row == made_in_memory.row
    assert all(torch.equal(kept.tensors[name], value) for name, value in made_in_memory.tensors.items())


CHANGES = ["weights", "manifest", "frame order", "dtype", "clips", "code", "libraries"]
CHANGES += ["input.size=40", "input.normalize=backbone", "method=otam", "patch_enrichment.enabled=false"]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_decides_the_features_makes_new_ones(run, store, reads, monkeypatch, change):
    clips, how = all_clips(store.clips("test")), {}
    split_features(run, store, clips)
    if change == "weights":
        run = replace(run, weights_sha256="b" * 64)
    elif change == "manifest":
        store.manifest_sha256 = "1" * 64
    elif change == "frame order":
        how = {"order": "shuffled"}
    elif change == "dtype":
        how = {"dtype": "bfloat16"}
    elif change == "clips":
        clips = clips[:5]
    elif change == "code":
        monkeypatch.setattr(feature_cache, "code_sha256", lambda *folders: "other code")
    elif change == "libraries":
        monkeypatch.setattr(feature_cache, "versions", lambda *names: dict.fromkeys(names, "0.0"))
    else:
        recipe = small_recipe(change)
        run = replace(run, recipe=recipe, model=build_model(recipe, pretrained=False).eval())
    for read_again in (clips, []):
        del reads[:]
        assert len(split_features(run, store, clips, **how).row) == len(clips)
        assert sorted(reads) == read_again
