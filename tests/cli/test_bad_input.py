"""Bad input: each a clear message with the right exit code, and nothing lost."""

import shlex
import shutil
import urllib.error

import pytest
import torch

from strmctl.frames.store.clip_zip import writing_archive
from strmctl.recipe import load_recipe, shipped_recipes
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import save_tensors
from tests.small_world import evaluate, refused, refused_in_json, snapshot, train
from tests.videos_for_tests import strmctl, write_video


def test_an_unknown_recipe(data, tmp_path):
    runs = tmp_path / "runs"
    refused(train(data, runs, "--recipe", "sprite"), 4, "no recipe named 'sprite'", "did you mean sprites?")
    refused_in_json(
        train(data, runs, "--recipe", "sprite", "--json"), 4, "no recipe named", "known: classify, hmdb51_r50"
    )
    refused(strmctl("recipe", "show", "sprite"), 4, "no recipe named 'sprite'")
    assert not runs.exists()


def test_a_recipe_with_two_wrong_keys_names_both(data, tmp_path):
    text = shipped_recipes()["sprites"].read_text().replace("dropout:", "drop_out:").replace("way: 5", "way: five")
    (tmp_path / "mine.yaml").write_text(text)
    parts = ("trm.drop_out: unknown key, did you mean trm.dropout?", "train.way: ", "(got 'five')")
    words = ("train", "--recipe", tmp_path / "mine.yaml", "--data", data, "--runs", tmp_path / "runs")
    refused(strmctl(*words), 4, tmp_path / "mine.yaml", *parts)
    refused_in_json(strmctl(*words, "--json"), 4, parts[0])
    two = ("--set", "train.episode=9", "--set", "backbone.nam=conv3")
    refused(strmctl("train", "--recipe", "sprites", *two), 4, "train.episode: unknown key", "backbone.nam: unknown key")
    assert not (tmp_path / "runs").exists()


def test_a_checkpoint_of_another_model(data, runs, tmp_path):
    other = load_recipe("sprites", ["trm.dim=9", "input.frames=8"])
    save_tensors(tmp_path / "other.pt", build_model(other, pretrained=False).state_dict())
    before = snapshot(runs)
    ran = evaluate(data, runs, "--weights", tmp_path / "other.pt")
    problem = "patch_enrichment.psi.0.weight is (64, 128), not (8, 128)"
    refused(ran, 5, f"{tmp_path / 'other.pt'} does not fit the model of this recipe", problem, "more)")
    assert snapshot(runs) == before

    (tmp_path / "other.pt").replace(runs / "sprites" / "weights.pt")
    before = snapshot(runs)
    refused(evaluate(data, runs), 5, f"{runs / 'sprites' / 'weights.pt'} does not fit")
    refused_in_json(evaluate(data, runs, "--json"), 5, "does not fit the model", "the recipe that these weights")
    video = write_video(tmp_path / "x.mp4")
    refused(strmctl("viz", "--video", video, "--runs", runs), 5, "does not fit the model")
    (runs / "sprites" / "weights.pt").write_text("no weights")
    refused(evaluate(data, runs), 5, "is not a file of weights")
    (runs / "sprites" / "weights.pt").unlink()
    refused(evaluate(data, runs), 3, "has no weights", "strmctl train --resume --name sprites")
    del before["sprites/weights.pt"]
    assert snapshot(runs) == before


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--shots", "1,9"), ("9-shot episodes with 1 queries per class need 10 clips", "crawl (3)", "walk (3)")),
        (("--queries", 3), ("need 4 clips of a class", "crawl (3)")),
        (("--way", 4), ("4-way episodes need 4 classes, but the test split has 3", "`--way 3`")),
        (("--split", "val", "--way", 3), ("the val split has 2",)),
        (("--classes", "walk,runn"), ("runn: not in the test split of mine", "crawl, swim, walk")),
        (("--classes", "walk"), ("2-way episodes need 2 classes",)),
        (("--classes", ""), ("--classes", "not a comma-separated list")),
        (("--shots", "1,,5"), ("--shots", "not a comma-separated list")),
        (("--shots", "one"), ("not a comma-separated list of whole numbers",)),
        (("--shots", "0,1"), ("shots count from 1",)),
        (("--way", 1), ("--way",)),
        (("--split", "train"), ("--split", "test")),
    ],
)
def test_what_a_split_cannot_give_is_a_usage_error(data, runs, words, parts):
    before = snapshot(runs)
    refused(evaluate(data, runs, *words), 2, *parts)
    refused_in_json(evaluate(data, runs, *words, "--json"), 2, parts[-1] if len(parts) == 1 else "")
    assert snapshot(runs) == before


def test_no_run_yet(data, tmp_path):
    video, runs = write_video(tmp_path / "x.mp4"), tmp_path / "none"
    for words in (("eval", "--data", data), ("viz", "--video", video), ("train", "--resume", "--data", data)):
        refused(strmctl(*words, "--runs", runs), 3, f"no run yet in {runs}", "strmctl demo")
        refused_in_json(strmctl(*words, "--runs", runs, "--json"), 3, "no run yet", "strmctl demo")
    assert not runs.exists()


def test_no_store_yet(runs, tmp_path):
    none = tmp_path / "none"
    before = snapshot(runs)
    ran = strmctl("train", "--recipe", "ucf101_r50", "--data", none, "--runs", runs)
    refused(ran, 3, f"the frame store {none / 'ucf101'} does not exist", f"strmctl prepare ucf101 --data {none}")
    ran = strmctl("train", "--recipe", "sprites", "--data", none, "--runs", runs, "--json")
    refused_in_json(ran, 3, "does not exist", "strmctl prepare sprites")
    refused(evaluate(none, runs), 3, "does not exist", "strmctl prepare FOLDER --name mine")
    assert snapshot(runs) == before and not none.exists()


def test_a_rate_of_frames_and_a_store_without_one(own_data, runs, reads):
    assert train(own_data, runs, changes=("input.rate=12", "train.episodes=1")).code == 0
    manifest = own_data / "mine" / "manifest.csv"
    text = manifest.read_text()
    for line in text.splitlines():
        if line.startswith("walk/2,"):  # the very last clip
            manifest.write_text(text.replace(line, line.replace(",12.0,", ",0.0,")))
    del reads[:]
    before, message = snapshot(runs), "and 1 of 24 in mine do not: walk/2"
    for more in ((), ("--dry-run",)):
        ran = train(own_data, runs, "--recipe", "sprites", "--name", "b", *more, changes=("input.rate=12",))
        refused(ran, 3, message, "`--set input.rate=null`")
    assert snapshot(runs) == before
    refused(evaluate(own_data, runs), 3, message, f"my videos' --name mine --data '{own_data}'")
    assert reads == []


def test_stored_frames_that_are_damaged(own_data, runs):
    archive = own_data / "mine" / "frames" / "walk" / "1.zip"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert evaluate(own_data, runs).code == 0  # the features of these frames are known
    shutil.rmtree(runs / "sprites" / "cache")
    refused(
        evaluate(own_data, runs), 3, "walk/1", "are missing or damaged", f"my videos' --name mine --data '{own_data}'"
    )
    archive.write_bytes(whole.replace(b"\xff\xd8\xff", b"\x00\x00\x00"))
    refused(evaluate(own_data, runs), 3, "walk/1")
    manifest = own_data / "mine" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("status", "state"))
    refused_in_json(evaluate(own_data, runs, "--json"), 3, str(manifest), "--redo")


def test_a_stored_frame_that_is_no_picture_tells_the_command_that_mends_it(own_data, runs):
    with writing_archive(own_data / "mine" / "frames" / "walk" / "1.zip") as archive:
        for _ in range(10):
            archive.add(b"no picture")
    shutil.rmtree(runs / "sprites" / "cache")
    ran = evaluate(own_data, runs)
    refused(ran, 3, "walk/1", f"my videos' --name mine --data '{own_data}'")
    command = shlex.split(ran.err.split("`")[1])
    assert strmctl(*command[1:], "--workers", 1).code == 0
    assert evaluate(own_data, runs).code == 0


def test_imagenet_weights_without_a_net(data, runs, tmp_path, monkeypatch):
    def offline(*words, **options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    changes = ("backbone.name=resnet18", "backbone.weights=imagenet", "patch_enrichment.patches=1")
    before = snapshot(runs)
    ran = train(data, runs, "--recipe", "sprites", "--name", "pretrained", changes=changes)
    url = "https://download.pytorch.org/models/resnet18"
    refused(ran, 3, url, "no route to host", "--set backbone.weights=PATH", "--set backbone.weights=none")
    assert "downloading the ImageNet weights of resnet18: 45 MB" in ran.err
    ran = train(data, runs, "--recipe", "sprites", "--name", "once more", "--json", changes=changes)
    refused_in_json(ran, 3, "cannot be fetched", "by hand")
    assert before.items() <= snapshot(runs).items()
