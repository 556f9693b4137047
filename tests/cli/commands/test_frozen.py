"""A frozen backbone as typed: trained, killed, tested, drawn, in a grid; and runs that need no training."""

import re
import shutil

import pytest
import torch

from strmctl.model.weight_files import read_tensors
from strmctl.recipe import load_recipe
from strmctl.runs.folder import MAPS
from tests.small_world import evaluate, refused, small, small_recipe, train
from tests.videos_for_tests import strmctl

FROZEN = ("backbone.trained=false", "train.views=2")


@pytest.fixture(scope="module")
def frozen_runs(data, tmp_path_factory):
    """A folder of runs with one that was trained on maps."""
    runs = tmp_path_factory.mktemp("frozen") / "runs"
    ran = train(data, runs, changes=FROZEN)
    assert ran.code == 0, ran.err
    assert f"MB in {runs / MAPS}" in ran.err and "remove that folder" in ran.err
    return runs


@pytest.fixture
def runs(frozen_runs, tmp_path):
    return shutil.copytree(frozen_runs, tmp_path / "runs", symlinks=True)


def recipe_file(folder, *changes):
    """A recipe of the user's own for the store `mine`."""
    path = folder / "own.yaml"
    path.write_text(small_recipe(*changes).to_yaml())
    return path


def test_a_run_on_maps_is_tested_drawn_resumed_and_listed_like_any_other(data, runs, reads):
    ran = evaluate(data, runs, "--json")
    assert ran.code == 0, ran.err
    frames = evaluate(data, runs, "--no-cache", "--json")
    for one, other in zip(ran.json()["results"], frames.json()["results"], strict=True):
        assert one["accuracy"] == pytest.approx(other["accuracy"], abs=0.051), "half precision may turn a query in 20"
    del reads[:]
    assert evaluate(data, runs, "--dtype", "bfloat16").code == 0 and reads == [], "of the same maps"
    for words in (["--frame-order", "shuffled"], ["--weights", "last"]):
        assert evaluate(data, runs, *words).code == 0
    video = data.parent / "my videos" / "walk" / "0.mp4"
    assert strmctl("viz", "--video", video, "--runs", runs, "--device", "cpu").code == 0
    assert strmctl("train", "--resume", "--data", data, "--runs", runs, "--device", "cpu").code == 0
    listed = strmctl("runs", "--runs", runs, "--json")
    assert listed.code == 0 and [row["name"] for row in listed.json()["runs"]] == ["sprites"]
    refused(train(data, runs, "--recipe", "sprites", "--name", MAPS, changes=FROZEN), 2, "cannot name a run")


def test_cells_of_a_grid_share_the_maps_and_methods_without_parameters_are_not_trained(data, tmp_path, reads):
    words = ("--methods", "trm,otam,prototype", "--shots", 1, "--way", 2, "--episodes", 10, "--seeds", "0,1")
    folders = ("--data", data, "--runs", tmp_path, "--device", "cpu")
    weights = tmp_path / "weights.pt"
    torch.save(read_backbone(), weights)
    changes = small("data.dataset=mine", *FROZEN, f"backbone.weights={weights}")
    plan = strmctl("ablate", "shots", *words, *changes, *folders, "--dry-run", "--json")
    assert plan.code == 0 and plan.json()["seconds"] > 0 and not (tmp_path / MAPS).exists()
    del reads[:]
    ran = strmctl("ablate", "shots", *words, *changes, *folders)
    assert ran.code == 0, ran.err
    assert "sprites-prototype-s0: made; there is nothing to train" in ran.err
    assert len(list((tmp_path / MAPS).iterdir())) == 1, "of one backbone"
    assert {clip: reads.count(clip) for clip in set(reads)} == {
        clip: 2 if clip.split("/")[0] in ("hop", "jump", "run") else 1 for clip in set(reads)
    }, "each view of each clip is embedded once for all cells"
    again = strmctl("ablate", "shots", *words, *changes, *folders, "--dry-run", "--json")
    assert again.code == 0 and again.json()["seconds"] == 0


def read_backbone():
    """Weights of a backbone, as those of two training seeds differ where there are none."""
    from strmctl.runs.build import build_model

    return build_model(small_recipe(), pretrained=False).backbone.trunk.state_dict()


def test_a_recipe_without_training_is_tested_at_once(data, tmp_path, reads):
    path = recipe_file(tmp_path, "name=own", "method=prototype", "backbone.trained=false", "train.episodes=0")
    runs = tmp_path / "runs"
    first = evaluate(data, runs, "--recipe", path, "--json")
    assert first.code == 0, first.err
    assert f"{runs / 'own'}: made" in first.err and first.json()["provenance"]["training_episodes"] == 0
    assert {clip.split("/")[0] for clip in reads} == {"crawl", "swim", "walk"}, "no class is trained on"
    del reads[:]
    again = evaluate(data, runs, "--recipe", path, "--json")
    assert again.code == 0 and "made" not in again.err and reads == []
    assert again.json()["results"] == first.json()["results"]
    assert evaluate(data, runs, "--run", "own", "--split", "val").code == 0
    assert evaluate(data, runs, "--recipe", path, "--split", "val", "--controls").code in (0, 3)  # no opposites here
    refused(evaluate(data, runs, "--recipe", path, "--run", "own"), 2, "leave out --run")
    other = recipe_file(tmp_path, "name=own", "method=otam", "backbone.trained=false", "train.episodes=0")
    refused(evaluate(data, runs, "--recipe", other), 2, "is of another recipe", "--run own")
    refused(evaluate(data, runs, "--recipe", recipe_file(tmp_path, "name=more")), 2, "trains for 2 episodes")


def test_training_without_episodes_says_so_and_the_newest_run_stays(data, runs):
    changes = (*FROZEN[:1], "method=prototype", "train.episodes=0")
    ran = train(data, runs, "--recipe", "sprites", "--name", "zero", changes=changes)
    assert ran.code == 0 and "zero: not trained" in ran.out
    assert str((runs / "latest").readlink()) == "zero"
    kept = read_tensors(runs / "zero" / "weights.pt")
    assert all(name.startswith("backbone.") for name in kept)
    path = recipe_file(runs.parent, "name=own", "method=prototype", "backbone.trained=false", "train.episodes=0")
    assert evaluate(data, runs, "--recipe", path).code == 0
    assert str((runs / "latest").readlink()) == "zero", "a test does not choose the newest run"


def test_runs_of_before_the_keys_came_are_read(data, trained_runs, tmp_path):
    runs = shutil.copytree(trained_runs, tmp_path / "runs", symlinks=True)
    path = runs / "sprites" / "recipe.yaml"
    new = ("trained:", "maps:", "views:", "dtype:")
    lines = [line for line in path.read_text().splitlines(keepends=True) if not line.strip().startswith(new)]
    text = "".join(lines).replace("query_class:\n", "query_class:\n  trained: true\n")
    path.write_text(text)
    assert "maps" not in text
    assert load_recipe(path) == load_recipe(trained_runs / "sprites" / "recipe.yaml")
    for ran in (
        evaluate(data, runs),
        strmctl("runs", "--runs", runs),
        strmctl("train", "--resume", "--data", data, "--runs", runs, "--device", "cpu"),
    ):
        assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["train.views=2"], r"train\.views must be 1 with backbone\.trained true"),
        (["backbone.trained=false", "method=otam", "train.episodes=3"], "otam and a frozen backbone it is 0"),
        (["train.dtype=float16"], "'float32' or 'bfloat16'"),
        (["backbone.maps=bfloat16"], "'half' or 'float32'"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(data, tmp_path, changes, words):
    ran = train(data, tmp_path, changes=changes)
    assert ran.code == 4
    assert re.search(words, ran.err), ran.err
