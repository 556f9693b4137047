"""A classifier from tiny videos: its answers against the model called by hand, and what it keeps."""

import shutil
from pathlib import Path

import pytest
import torch

import strmctl
from strmctl.classify import features as features_module
from strmctl.classify.classifier import Classifier
from strmctl.classify.label import Label
from strmctl.errors import DataError
from strmctl.runs.build import build_model
from strmctl.videos.read_video import read_video
from tests.classify.small import examples, recipe_file, small_recipe
from tests.small_world import fill_disk
from tests.videos_for_tests import write_video

COUNTS = {"hop": 3, "run": 2, "sit": 4}


@pytest.fixture
def folder(tmp_path):
    return examples(tmp_path / "examples", **COUNTS)


@pytest.fixture
def decoded(monkeypatch):
    """The videos that were decoded."""
    found = []

    def recorded(path, **shape):
        found.append(path.name)
        return read_video(path, **shape)

    monkeypatch.setattr(features_module, "read_video", recorded)
    return found


def made(tmp_path, *changes, **how):
    recipe = recipe_file(tmp_path / "small.yaml", *changes)
    return Classifier.from_examples(tmp_path / "examples", recipe=recipe, runs=tmp_path / "runs", **how)


def pixels(path: Path) -> torch.Tensor:
    return read_video(path, frames=8, size=32, crop=32).pixels / 255


@pytest.mark.parametrize("method", ["prototype", "otam", "trm"])
def test_probabilities_are_those_of_the_model_with_all_examples_as_support(tmp_path, folder, method):
    classifier = made(tmp_path, f"method={method}", reject=None)
    video = write_video(tmp_path / "new.mp4", frames=12, size=(48, 36), seed=77)
    label = classifier.predict(video)
    model = build_model(small_recipe(f"method={method}"), pretrained=True).eval()
    clips = sorted(folder.rglob("*.mp4"))
    support = torch.stack([pixels(clip) for clip in clips])
    classes = torch.tensor([sorted(COUNTS).index(clip.parent.name) for clip in clips])
    with torch.inference_mode():
        logits = model(support, classes, pixels(video)[None]).total[0].double() / classifier.temperature
        alone = model(support, torch.arange(len(clips)), pixels(video)[None]).total[0]
    expected = logits.softmax(dim=0).tolist()
    assert [label.probabilities[cls] for cls in classifier.classes] == pytest.approx(expected, abs=1e-4)
    assert label.nearest == str(clips[int(alone.argmax())].relative_to(folder))
    ranked = sorted(zip(expected, classifier.classes, strict=True), reverse=True)
    assert [*label.probabilities] == [cls for _, cls in ranked]
    assert (label.answer, label.best, label.second, label.refused) == (ranked[0][1], ranked[0][1], ranked[1][1], False)
    assert label.margin == pytest.approx(ranked[0][0] - ranked[1][0], abs=1e-4)


def test_a_second_classifier_decodes_no_example_until_one_changes(tmp_path, folder, decoded):
    first = made(tmp_path)
    assert len(decoded) == 9
    second = made(tmp_path)
    assert len(decoded) == 9 and second.temperature == first.temperature
    write_video(folder / "run" / "1.mp4", frames=10, size=(48, 36), seed=99)
    (folder / "run" / "0.mp4").rename(folder / "run" / "other.mp4")
    changed = made(tmp_path)
    assert decoded[9:] == ["1.mp4"]
    kept = [path for path in (tmp_path / "runs" / ".examples").iterdir() if path.is_dir()]
    assert len(kept) == 1  # those of the earlier examples are gone
    made(tmp_path, "train.seed=5")  # other weights
    assert len(decoded) == 19 and len(list((tmp_path / "runs" / ".examples").glob("*/features.json"))) == 2
    shutil.rmtree(tmp_path / "runs")
    assert made(tmp_path).temperature == pytest.approx(changed.temperature, rel=1e-5)  # the features that were reused


def test_files_are_known_wherever_they_lie_unless_what_is_kept_is_damaged(tmp_path, folder, decoded):
    made(tmp_path)
    shutil.copytree(folder, tmp_path / "copy")
    write_video(tmp_path / "copy" / "sit" / "new.mp4", seed=500)
    recipe, runs = tmp_path / "small.yaml", tmp_path / "runs"
    Classifier.from_examples(tmp_path / "copy", recipe=recipe, runs=runs)
    assert decoded[9:] == ["new.mp4"]
    for index in (runs / ".examples").glob("*/features.json"):
        index.write_text("{}")
        (index.parent / "mean").write_bytes(b"")
    (tmp_path / "copy" / "sit" / "new.mp4").unlink()
    shutil.rmtree(tmp_path / "copy" / "hop")
    Classifier.from_examples(tmp_path / "copy", recipe=recipe, runs=runs)
    assert len(decoded) == 10 + 6


def test_without_room_features_are_not_kept_and_the_answers_are_the_same(tmp_path, folder, monkeypatch):
    kept = made(tmp_path)
    shutil.rmtree(tmp_path / "runs")
    fill_disk(monkeypatch)
    said, steps = [], []
    again = made(tmp_path, announce=said.append, progress=lambda *step: steps.append(step))
    assert again.temperature == kept.temperature
    assert any("are not kept" in message for message in said) and steps[-1] == (9, 9, "")


@pytest.mark.parametrize("place", ["a file", "/sys/strmctl"])  # nor can the administrator make one in /sys
def test_where_nothing_can_be_written_features_are_not_kept(tmp_path, folder, place):
    (tmp_path / "a file").write_text("in the way")
    said, recipe = [], recipe_file(tmp_path / "small.yaml")
    classifier = Classifier.from_examples(folder, recipe=recipe, runs=tmp_path / place, announce=said.append)
    assert len(classifier.examples) == 9 and [text for text in said if str(tmp_path / place) in text], said


def test_an_example_that_cannot_be_read_is_left_out_with_its_reason_also_the_second_time(tmp_path, folder):
    (folder / "sit" / "broken.mp4").write_text("no video")
    (folder / "hop" / "0.mp4").write_bytes(b"")
    for _ in range(2):
        said = []
        classifier = made(tmp_path, announce=said.append)
        assert classifier.unreadable["hop/0.mp4"] == "cannot be read: the file is empty"
        assert "not a video" in classifier.unreadable["sit/broken.mp4"]
        assert len(classifier.examples) == 8 and len([text for text in said if "not an example" in text]) == 2


def test_a_class_of_which_no_example_can_be_read_is_refused(tmp_path, folder):
    for path in (folder / "run").iterdir():
        path.write_text("no video")
    with pytest.raises(DataError, match=r"no example of class run can be read: run/0\.mp4 cannot be read: not a video"):
        made(tmp_path)


def test_a_video_that_cannot_be_read_is_a_row_and_the_others_go_on(tmp_path, folder):
    classifier = made(tmp_path)
    good = write_video(tmp_path / "good.mp4", seed=5)
    one = write_video(tmp_path / "one.mp4", frames=1)
    two = write_video(tmp_path / "two.mp4", frames=2)
    (tmp_path / "song.mp3").write_bytes(b"ID3" + bytes(2000))
    videos = [tmp_path / "gone.mp4", good, tmp_path / "song.mp3", one, two, folder / "sit" / "3.mp4"]
    steps = []
    labels = classifier.predict_many(videos, progress=lambda *step: steps.append(step))
    assert [label.video for label in labels] == videos and steps[-1] == (6, 6, "")
    assert [bool(label.reason) for label in labels] == [True, False, True, True, False, False]
    assert labels[0].reason == "cannot be read: no such file" and labels[3].reason == "has a single frame"
    assert labels[0] == Label(videos[0], reason=labels[0].reason) and labels[0].answer is labels[0].best is None
    assert labels[4].notes == ("2 frames where 8 are taken, so some appear twice",)
    assert labels[5].notes == ("the same file as example sit/3.mp4",) and labels[5].nearest == "sit/3.mp4"
    alone = classifier.predict(good)
    assert alone.probabilities == pytest.approx(labels[1].probabilities, abs=1e-5)
    assert classifier.predict_many(str(good)) == [alone]
    with pytest.raises(DataError, match=r"one\.mp4 has a single frame"):
        classifier.predict(one)
    with pytest.raises(DataError, match="not a regular file"):
        classifier.predict(folder)


def test_one_example_per_class_leaves_probabilities_uncalibrated(tmp_path):
    examples(tmp_path / "examples", hop=1, run=1, sit=1)
    classifier = made(tmp_path)
    assert classifier.calibration is None and classifier.temperature == 1
    assert classifier.rejection == "no example can be held out"
    assert classifier.predict(write_video(tmp_path / "new.mp4")).answer in classifier.classes


def test_answers_below_the_threshold_are_refused(tmp_path, folder):
    keeps, refuses = made(tmp_path, reject=0), made(tmp_path, reject=0.9)
    assert refuses.rejection.threshold > keeps.rejection.threshold and keeps.rejection.known_refused == 0
    videos = [write_video(tmp_path / f"{seed}.mp4", seed=100 + seed) for seed in range(8)]
    none = made(tmp_path, reject=None).predict_many(videos)
    assert not any(label.refused for label in none)
    for classifier in (keeps, refuses):
        labels, chosen = classifier.predict_many(videos), classifier.rejection
        assert all(label.answer == (None if label.refused else label.best) for label in labels)
        if chosen.score == "probability":
            assert [label.refused for label in labels] == [label.probability < chosen.threshold for label in none]
    assert sum(label.refused for label in refuses.predict_many(videos)) >= 4


def test_a_trained_run_of_any_method_serves(tmp_path, folder, trained_runs):
    classifier = strmctl.Classifier.from_examples(folder, run=trained_runs / "sprites", runs=tmp_path / "runs")
    label = classifier.predict(str(write_video(tmp_path / "new.mp4", seed=3)))
    assert label.best in COUNTS and sum(label.probabilities.values()) == pytest.approx(1)


def test_a_recipe_with_a_training_is_used_without_it_and_says_so(tmp_path, folder):
    said = []
    made(tmp_path, "method=trm", "train.episodes=2", announce=said.append)
    assert said == ["note: recipe classify describes a training, and its model is used without"]
