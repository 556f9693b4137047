"""From original videos to a number, as typed: one test per original layout, each with its recipe made small."""

import hashlib
import json
import math
from statistics import fmean, pstdev

import pytest
import torch

from strmctl.datasets.splits import load_split
from strmctl.frames.store.store import FrameStore
from strmctl.model.weight_files import read_tensors
from strmctl.recipe import load_recipe
from strmctl.results import read_document
from strmctl.runs.build import build_model
from tests.small_world import class_folders, evaluate, prepare, read_rows, small, train, write_split, write_videos
from tests.videos_for_tests import strmctl, write_video


def train_and_eval(recipe, folder, dataset, classes, *changes, name=None):
    """Two training episodes and a test on 20; checks what every layout has in common.

    Args:
        recipe: name of the recipe.
        folder: holds `data`.
        dataset: what results call the data.
        classes: subset -> classes that have clips.
        changes: of the recipe.
        name: of the frame store, where it is not the recipe's.
    """
    data, runs = folder / "data", folder / "runs"
    where = ("--data", data, "--runs", runs, "--device", "cpu")
    changes = (*changes, f"data.dataset={name}") if name else changes
    ran = strmctl("train", "--recipe", recipe, *small(*changes), *where, "--json")
    assert ran.code == 0, ran.err
    trained = ran.json()
    assert trained["run"] == recipe and trained["dataset"] == dataset and trained["validation"]["episodes"] == 4
    assert {subset: trained[f"{subset}_classes"] for subset in ("train", "val")} == {
        subset: sorted(classes[subset]) for subset in ("train", "val")
    }
    log = read_rows(runs / recipe / "train.csv")
    assert [line["episode"] for line in log] == ["1", "2"] and all(math.isfinite(float(line["loss"])) for line in log)

    ran = evaluate(data, runs, "--json")
    assert ran.code == 0, ran.err
    document = ran.json()
    stem = runs / recipe / "eval" / "test_2way_1q_s0_n20"
    assert document == read_document(stem.with_suffix(".json")).document()
    check_document(document, read_rows(stem.with_suffix(".csv")), sorted(classes["test"]))
    assert (document["run"], document["dataset"], document["split"]) == (recipe, dataset, "test")
    source, store = document["provenance"], FrameStore.open(data, name or load_recipe(recipe).data.dataset)
    assert source["weights_sha256"] == hashlib.sha256((runs / recipe / "weights.pt").read_bytes()).hexdigest()
    assert source["manifest_sha256"] == store.manifest_sha256
    assert source["selected_by"] == "val split" and source["training_episodes"] in (1, 2)
    if store.settings["split"] in ("ucf101", "hmdb51", "kinetics100", "ssv2", "ssv2_small"):
        benchmark = load_split(store.settings["split"])
        for subset in ("train", "val"):
            dropped = sorted(set(benchmark.classes(subset)) - set(classes[subset]))
            assert trained["dropped_classes"][subset] == dropped
        assert source["dropped_classes"] == sorted(set(benchmark.classes("test")) - set(classes["test"]))
    return store


def check_document(document, rows, classes):
    """The JSON document of a 2-way 1-shot test on 20 episodes, held against its rows."""
    keys = ("schema", "run", "dataset", "split", "way", "queries", "episodes", "seed", "results", "provenance")
    assert tuple(document) == keys
    assert [document[key] for key in ("schema", "way", "queries", "episodes", "seed")] == [1, 2, 1, 20, 0]
    (figures,) = document["results"]
    assert len(rows) == 20 * 2 * 1
    assert {row["true"] for row in rows} == set(classes) >= {row["predicted"] for row in rows}
    right = [[row["true"] == row["predicted"] for row in rows if row["episode"] == str(i)] for i in range(20)]
    accuracies = [fmean(episode) for episode in right]
    assert all(len(episode) == 2 for episode in right)
    assert (figures["shot"], figures["episodes"], figures["queries"]) == (1, 20, 40)
    assert figures["accuracy"] == pytest.approx(fmean(accuracies), abs=1e-12) and 0 <= figures["accuracy"] <= 1
    assert figures["ci95"] == pytest.approx(1.96 * pstdev(accuracies) / math.sqrt(20), abs=1e-12)


def test_ucf101(tmp_path):
    classes = {
        "train": ["Archery", "YoYo"],
        "val": ["HandstandPushups", "HighJump"],
        "test": ["Diving", "HandstandWalking"],
    }
    stems = {"HandstandPushups": "HandStandPushups"}  # the files spell it otherwise than the folder
    names = [
        f"{name}/v_{stems.get(name, name)}_g0{number}_c01.avi"
        for subset in classes.values()
        for name in subset
        for number in (1, 2)
    ]
    write_videos(tmp_path / "UCF-101", names, codec="MJPG")
    prepare("ucf101", "--videos", tmp_path / "UCF-101", "--data", tmp_path / "data")
    store = train_and_eval("ucf101_r50", tmp_path, "ucf101", classes)
    assert store.clips("val")["HandstandPushups"] == [
        f"HandstandPushups/v_HandStandPushups_g0{number}_c01" for number in (1, 2)
    ]


def test_hmdb51(tmp_path):
    classes = {"train": ["brush_hair", "climb_stairs"], "val": ["eat", "golf"], "test": ["kick", "kick_ball"]}
    names = [
        f"{name}/April_0{number}_{name}_u_nm_np1_ba_goo_{number}.avi"
        for subset in classes.values()
        for name in subset
        for number in (1, 2)
    ]
    write_videos(tmp_path / "data" / "videos" / "hmdb51", names, codec="MJPG")
    prepare("hmdb51", "--data", tmp_path / "data")
    store = train_and_eval("hmdb51_r50", tmp_path, "hmdb51", classes)
    assert store.clips("test")["kick"] == [f"kick/April_0{n}_kick_u_nm_np1_ba_goo_{n}" for n in (1, 2)]


def test_kinetics100(tmp_path):
    folders = {  # folder as it lies there -> class
        "train": {"air drumming": "air drumming", "arm_wrestling": "arm wrestling"},
        "val": {"baking_cookies": "baking cookies", "crossing river": "crossing river"},
        "test": {"blasting_sand": "blasting sand", "busking": "busking", "cutting watermelon": "cutting watermelon"},
    }
    ids = ("-4wxyz_-Abc", "__q_1-x")
    names = [f"{folder}/{i}_000001_000011.mp4" for part in folders.values() for folder in part for i in ids]
    write_videos(tmp_path / "k400", [*names, "not of the split/abc_000001_000011.mp4"])
    prepare("kinetics100", "--videos", tmp_path / "k400", "--data", tmp_path / "data")
    classes = {subset: list(part.values()) for subset, part in folders.items()}
    store = train_and_eval("kinetics100_r50", tmp_path, "kinetics100 (all clips)", classes)
    assert store.clips("test")["blasting sand"] == [f"blasting_sand/{i}_000001_000011" for i in ids]
    assert [store.by_id[f"busking/{i}_000001_000011"].group for i in ids] == list(ids)
    assert len(store.rows) == len(names)


def write_ssv2(folder, train_json, validation_json):
    """A flat folder of `<id>.webm`, one for each entry of the two annotations: id -> template."""
    write_videos(folder / "videos", [f"{clip}.webm" for clip in {**train_json, **validation_json}], codec="VP80")
    for name, entries in (("train.json", train_json), ("validation.json", validation_json)):
        listed = [{"id": clip, "template": text, "placeholders": []} for clip, text in entries.items()]
        (folder / name).write_text(json.dumps(listed), encoding="utf-8")


def numbered(first, templates, each=2):
    """Clip ids that count from `first`, `each` of every template."""
    return {str(first + each * i + k): text for i, text in enumerate(templates) for k in range(each)}


FOLDING, POKING = "Folding [something]", "Poking a hole into [something soft]"
HOLDING = "Holding [something] over [something]"
LIFTING = "Lifting [something] up completely, then letting it drop down"
DIGGING = "Digging [something] out of [something]"
REMOVING = "Removing [something], revealing [something] behind"


def test_ssv2(tmp_path):
    in_train = numbered(100, [FOLDING, POKING]) | numbered(900, [DIGGING, LIFTING])  # of test and val classes
    in_validation = numbered(300, [HOLDING, LIFTING, DIGGING, REMOVING]) | numbered(800, [FOLDING])
    write_ssv2(tmp_path, in_train, in_validation)
    prepare("ssv2", "--videos", tmp_path / "videos", "--data", tmp_path / "data")
    classes = {
        "train": ["Folding something", "Poking a hole into something soft"],
        "val": ["Holding something over something", "Lifting something up completely, then letting it drop down"],
        "test": ["Digging something out of something", "Removing something, revealing something behind"],
    }
    store = train_and_eval("ssv2_r50", tmp_path, "ssv2", classes)
    assert sorted(store.by_id) == ["100", "101", "102", "103", *(str(number) for number in range(300, 308))]
    assert store.clips("test")["Digging something out of something"] == ["304", "305"]
    # a class with a comma can be chosen
    ran = evaluate(tmp_path / "data", tmp_path / "runs", "--classes", ",".join(reversed(classes["test"])))
    assert ran.code == 0, ran.err


def test_ssv2_small_takes_the_listed_clips_from_both_annotations(tmp_path):
    split = load_split("ssv2_small")
    classes = {subset: split.classes(subset)[:2] for subset in ("train", "val", "test")}
    templates = [name for subset in classes.values() for name in subset]
    in_train = numbered(100, templates, each=1)
    in_validation = numbered(200, templates, each=2)
    write_ssv2(tmp_path, in_train, in_validation)
    listed = [clip for clip in (*in_train, *in_validation) if clip not in {"201", "203"}]
    (tmp_path / "small.txt").write_text("\n".join(["# clips of the CMN split", *listed]))
    prepare(
        *("ssv2_small", "--videos", tmp_path / "videos", "--list", tmp_path / "small.txt"),
        *("--data", tmp_path / "data"),
    )
    store = train_and_eval("ssv2_small_r50", tmp_path, "ssv2_small", classes)
    assert sorted(store.by_id) == sorted(listed)


def test_a_folder_of_class_folders(tmp_path):
    classes = {"train": ["run", "jump up"], "val": ["sit", "stand"], "test": ["crawl", "swim", "walk"]}
    class_folders(tmp_path / "my videos", [*(name for names in classes.values() for name in names), "other"], clips=2)
    split = write_split(tmp_path / "mine.yaml", classes)
    prepare(tmp_path / "my videos", "--name", "mine", "--split", split, "--data", tmp_path / "data")
    store = train_and_eval("sprites", tmp_path, "mine", classes, name="mine")
    assert "other/0" not in store.by_id and store.clips("train")["jump up"] == ["jump up/0", "jump up/1"]


def test_a_flat_folder_cannot_be_trained_on(tmp_path):
    write_videos(tmp_path / "videos", ["a.mp4", "b.mp4"])
    prepare(tmp_path / "videos", "--name", "mine", "--flat", "--data", tmp_path / "data")
    ran = train(tmp_path / "data", tmp_path / "runs", "--recipe", "sprites")
    parts = ("mine has no usable clip in its train split", "a store without classes", "strmctl viz")
    assert ran.code == 3 and all(part in ran.err for part in parts) and not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_an_ssv2_episode_at_full_size_moves_every_weight(tmp_path):
    classes = ["Folding something", "Poking a hole into something soft"]
    templates = numbered(1, [FOLDING, POKING])
    for seed, clip in enumerate(templates):
        write_video(tmp_path / "videos" / f"{clip}.webm", frames=10, size=(320, 240), seed=seed, codec="VP80")
    for name, entries in (("train.json", templates), ("validation.json", {})):
        text = json.dumps([{"id": clip, "template": template} for clip, template in entries.items()])
        (tmp_path / "videos" / name).write_text(text)
    split = write_split(tmp_path / "two.yaml", {"train": classes})  # nothing to validate on
    data, runs = tmp_path / "data", tmp_path / "runs"
    words = ("--videos", tmp_path / "videos", "--split", split, "--data", data, "--workers", 1)
    assert strmctl("prepare", "ssv2", *words).code == 0
    changes = ("backbone.weights=none", "train.way=2", "train.shot=1", "train.queries=1")
    changes += ("train.episodes=1", "train.accumulate=1")
    sets = [word for change in changes for word in ("--set", change)]
    where = ("--data", data, "--runs", runs, "--device", "cpu")
    ran = strmctl("train", "--recipe", "ssv2_r50", *sets, *where, "--json")
    assert ran.code == 0, ran.err
    assert ran.json()["dataset"] == "ssv2 (split two)" and ran.json()["selected_by"].startswith("last episode")
    (line,) = read_rows(runs / "ssv2_r50" / "train.csv")
    assert 0 < float(line["loss"]) < math.inf
    recipe = load_recipe(runs / "ssv2_r50" / "recipe.yaml")
    assert (recipe.input.crop, recipe.trm.dim, recipe.query_class.dim) == (224, 1152, 1024)
    before, after = build_model(recipe, pretrained=False), read_tensors(runs / "ssv2_r50" / "weights.pt")
    assert all(torch.isfinite(value).all() for value in after.values())
    unmoved = {name for name, value in before.named_parameters() if torch.equal(value, after[name])}
    # these two cancel: one in the softmax, one between query and prototype
    assert unmoved <= {"patch_enrichment.key.bias", "temporal_relations.relations.2.value.bias"}
