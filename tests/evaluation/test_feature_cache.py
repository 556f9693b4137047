"""Features on disk: the same bits as in memory, resumed after a kill, refused when the disk is full."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from strmctl.errors import OutputError
from strmctl.evaluation import feature_cache
from strmctl.evaluation import feature_cache as module
from strmctl.evaluation.embed import CLIPS_PER_BATCH
from strmctl.evaluation.feature_cache import FeatureCache, split_features
from strmctl.evaluation.match import all_clips
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import LoadedRun
from tests.toy import ToyStore, toy_recipe

CLIPS = [f"clip {number:02d}" for number in range(2 * CLIPS_PER_BATCH + 3)]
MADE_OF = {"weights": "w", "manifest": "m"}


class Embedder:
    """Features that tell which clip they are of; stops like a killed process after some batches."""

    def __init__(self, batches=99, dtype=torch.float32):
        self.batches, self.dtype, self.embedded = batches, dtype, []

    def __call__(self, clips):
        for first in range(0, len(clips), CLIPS_PER_BATCH):
            if len(self.embedded) == self.batches:
                raise KeyboardInterrupt
            part = clips[first : first + CLIPS_PER_BATCH]
            self.embedded.append(part)
            numbers = torch.tensor([float(clip[-2:]) for clip in part], dtype=self.dtype)
            yield {"a": numbers[:, None, None] + torch.arange(6).view(2, 3), "b.c": numbers}


def expected(dtype=torch.float32):
    numbers = torch.arange(len(CLIPS), dtype=dtype)
    return {"a": numbers[:, None, None] + torch.arange(6).view(2, 3), "b.c": numbers}


def same(features, dtype=torch.float32):
    return all(
        torch.equal(features.tensors[name], value) and features.tensors[name].dtype == dtype
        for name, value in expected(dtype).items()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_is_read_is_what_was_written(tmp_path, dtype):
    cache, told = FeatureCache(tmp_path, CLIPS, MADE_OF), []
    assert cache.read() is None
    cache.write(Embedder(dtype=dtype), told.append)
    features = FeatureCache(tmp_path, CLIPS, MADE_OF).read()
    assert same(features, dtype)
    assert features.row == {clip: row for row, clip in enumerate(CLIPS)}
    assert told == [0, CLIPS_PER_BATCH, 2 * CLIPS_PER_BATCH, len(CLIPS)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", cache.folder.name]


def test_a_killed_embedding_goes_on_with_the_clips_that_are_missing(tmp_path):
    cache = FeatureCache(tmp_path, CLIPS, MADE_OF)
    with pytest.raises(KeyboardInterrupt):
        cache.write(Embedder(batches=2), lambda done: None)
    assert cache.read() is None
    (partial,) = tmp_path.glob("*.part")
    with (partial / "a").open("ab") as file:
        file.write(b"half a row")
    (partial / "b.c").write_bytes((partial / "b.c").read_bytes()[:-3])  # and of the other, not even whole batches
    again = Embedder()
    cache.write(again, lambda done: None)
    assert again.embedded == [CLIPS[CLIPS_PER_BATCH : 2 * CLIPS_PER_BATCH], CLIPS[2 * CLIPS_PER_BATCH :]]
    assert same(cache.read())


@pytest.mark.parametrize(
    "other", [{"weights": "x", "manifest": "m"}, {"weights": "w", "manifest": "n"}, {**MADE_OF, "dtype": "bfloat16"}]
)
def test_whatever_decides_the_features_names_another_cache(tmp_path, other):
    FeatureCache(tmp_path, CLIPS, MADE_OF).write(Embedder(), lambda done: None)
    assert FeatureCache(tmp_path, CLIPS, other).read() is None
    assert FeatureCache(tmp_path, CLIPS[:-1], MADE_OF).read() is None


def test_a_damaged_cache_is_not_used(tmp_path):
    cache = FeatureCache(tmp_path, CLIPS, MADE_OF)
    for damage in (lambda: (cache.folder / "a").write_bytes(b"short"), (cache.folder / "b.c").unlink):
        cache.write(Embedder(), lambda done: None)
        assert same(cache.read())
        damage()
        assert cache.read() is None


def test_a_disk_without_room_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    need = sum(value.numel() * 4 for value in expected().values())
    cache = FeatureCache(tmp_path, CLIPS, MADE_OF)
    for free, fits in ((feature_cache.RESERVE + need - 1, False), (feature_cache.RESERVE + need, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage(0, 0, free))
        if fits:
            cache.write(Embedder(), lambda done: None)
            assert same(cache.read())
        else:
            with pytest.raises(OutputError, match="are free"):
                cache.write(Embedder(), lambda done: None)
            assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_features_of_earlier_weights_or_code_are_removed(tmp_path):
    now = {"weights_file": "weights.pt", "weights": "new", "code": "c"}
    made = [
        now | {"weights": "old"},
        now | {"code": "b"},
        now | {"weights_file": "other.pt", "weights": "x"},
        now | {"dtype": "bfloat16"},
        now,
    ]
    caches = [FeatureCache(tmp_path, CLIPS, made_of) for made_of in made]
    for cache in caches:
        cache.write(Embedder(), lambda done: None)
    assert [cache.read() is not None for cache in caches] == [False, False, True, True, True]


def test_a_second_process_waits_and_finds_the_features(tmp_path):
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from strmctl.evaluation.feature_cache import FeatureCache\n"
        "from tests.evaluation.test_feature_cache import CLIPS, MADE_OF, Embedder, same\n"
        "class Slow(Embedder):\n"
        "    def __call__(self, clips):\n"
        "        for part in super().__call__(clips):\n"
        "            time.sleep(0.2)\n"
        "            yield part\n"
        "cache, embedder = FeatureCache(Path(sys.argv[1]), CLIPS, MADE_OF), Slow()\n"
        "cache.write(embedder, lambda done: None)\n"
        "print(len(embedder.embedded), same(cache.read()))\n"
    )
    root = Path(__file__).parents[2]
    both = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(process.communicate()[0].split() for process in both)
    assert said == [["0", "True"], ["3", "True"]]


class Frames(ToyStore):
    """Other frames under the same names need another manifest, which is what the test changes."""

    def __init__(self, manifest="0" * 64):
        super().__init__()
        self.manifest_sha256 = manifest


@pytest.fixture
def run(tmp_path):
    recipe = toy_recipe()
    model = build_model(recipe, pretrained=False).eval()
    return LoadedRun("toy", tmp_path, recipe, model, tmp_path / "weights.pt", "a" * 64, {})


def reads(run, store, **how):
    """Clips that are read for their features."""
    before = store.reads
    split_features(run, store, all_clips(store.clips("test")), **how)
    return store.reads - before


def test_the_same_test_reads_no_frame_again(run):
    store = Frames()
    assert [reads(run, store), reads(run, store)] == [24, 0]
    renamed = replace(run, recipe=toy_recipe("train.episodes=3", "validation.every=2", "name=other"))
    assert reads(renamed, store) == 0  # what does not decide the features


@pytest.mark.parametrize(
    "change",
    [
        "weights_sha256",
        "manifest",
        "frame_order",
        "dtype",
        "clips",
        "code",
        "libraries",
        "input.size=20",
        "input.normalize=backbone",
        "method=otam",
        "patch_enrichment.enabled=false",
    ],
)
def test_whatever_decides_the_features_makes_new_ones(run, monkeypatch, change):
    store, how = Frames(), {}
    assert reads(run, store) == 24
    if change == "weights_sha256":
        run = replace(run, weights_sha256="b" * 64)
    elif change == "manifest":
        store = Frames("1" * 64)
    elif change == "frame_order":
        how = {"order": "shuffled"}
    elif change == "dtype":
        how = {"dtype": "bfloat16"}
    elif change == "clips":
        assert len(split_features(run, store, all_clips(store.clips("test"))[:5]).row) == 5
        assert store.reads == 24 + 5
        return
    elif change == "code":
        monkeypatch.setattr(module, "code_sha256", lambda *folders: "other code")
    elif change == "libraries":
        monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "0.0")
    else:
        recipe = toy_recipe(change)
        run = replace(run, recipe=recipe, model=build_model(recipe, pretrained=False).eval())
    assert reads(run, store, **how) == 24
    assert reads(run, store, **how) == 0


def test_features_beyond_the_memory_stay_on_the_disk_and_are_the_same(run):
    clips = all_clips(Frames().clips("test"))
    mapped, held = (split_features(run, Frames(), clips, memory=memory) for memory in (0, 1 << 30))
    assert mapped.row == held.row
    assert all(torch.equal(mapped.tensors[name], held.tensors[name]) for name in held.tensors)
