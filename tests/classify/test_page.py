"""The page from a classifier: its pictures are what the model saw, and no video is decoded twice for it."""

import base64
import re
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from strmctl.classify import features as features_module
from strmctl.classify import page as page_module
from strmctl.classify import pictures as pictures_module
from strmctl.classify.classifier import Classifier
from strmctl.classify.page import write_page
from strmctl.classify.pictures import Film, Pictures, sheet
from strmctl.videos.read_video import read_video
from strmctl.videos.windows import VideoWindows
from tests.browser import check
from tests.classify.small import examples, recipe_file, small_recipe
from tests.parsed_page import Page
from tests.videos_for_tests import write_video


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Examples of three classes, and videos, one of which cannot be read."""
    folder = tmp_path_factory.mktemp("world")
    examples(folder / "examples", hop=7, run=2, sit=3)
    for seed in range(5):
        write_video(folder / "new" / f"{seed}.mp4", frames=12, size=(48, 36), seed=70 + seed)
    (folder / "new" / "broken.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def classifier(world):
    recipe = recipe_file(world / "small.yaml")
    return Classifier.from_examples(world / "examples", recipe=recipe, runs=world / "runs", reject=None)


@pytest.fixture
def decoded(monkeypatch):
    """The videos that were decoded."""
    found = []

    def recorded(path, **shape):
        found.append(f"{path.parent.name}/{path.name}")
        return read_video(path, **shape)

    monkeypatch.setattr(features_module, "read_video", recorded)
    return found


def images(text):
    encoded = re.findall(r"data:image/jpeg;base64,([\w+/=]+)", text)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(one), np.uint8), cv2.IMREAD_COLOR) for one in encoded]


@pytest.mark.parametrize(("count", "side"), [(1, 32), (3, 112), (4, 200), (8, 224), (9, 224)])
def test_a_sheet_shows_each_frame_in_its_place(count, side):
    levels = np.linspace(20, 235, count).round()
    frames = np.zeros((count, side, side, 3), np.uint8)
    frames[:] = (levels[:, None] * [1, 0.5, 0])[:, None, None]
    made = sheet(frames)
    shown = cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert shown.shape[:2] == (made.rows * made.side, made.columns * made.side)
    for position, level in enumerate(levels):
        row, column = divmod(position, made.columns)
        cell = shown[row * 112 + 2 : row * 112 + 110, column * 112 + 2 : column * 112 + 110]  # a line parts them
        assert np.abs(cell - level * np.array([1, 0.5, 0])).max() < 12, (position, level)


def test_videos_are_decoded_once_and_examples_once_more(world, classifier, decoded, tmp_path):
    kept, steps = Pictures(), []
    labels = classifier.predict_many(world / "new", pictures=kept)
    assert sorted(kept) == [str(world / "new" / f"{seed}.mp4") for seed in range(5)]
    decoded.clear()
    with_kept, without = tmp_path / "a.html", tmp_path / "b.html"
    write_page(with_kept, classifier, labels, pictures=kept, progress=lambda *step: steps.append(step))
    shown = {label.nearest for label in labels} - {""} | {f"hop/{number}.mp4" for number in range(5)}
    shown |= {"run/0.mp4", "run/1.mp4", "sit/0.mp4", "sit/1.mp4", "sit/2.mp4"}
    assert sorted(decoded) == sorted(shown)
    assert steps[0] == (0, len(shown), "") and steps[-1] == (len(shown), len(shown), "")
    write_page(without, classifier, labels)
    assert sorted(decoded[len(shown) :]) == sorted([*shown, *(f"new/{seed}.mp4" for seed in range(5))])
    assert with_kept.read_bytes() == without.read_bytes()


def test_the_pictures_are_what_the_model_saw(world, classifier, tmp_path):
    labels = classifier.predict_many(world / "new")
    write_page(tmp_path / "page.html", classifier, labels)
    text = (tmp_path / "page.html").read_text()
    shape = classifier.recipe.input
    pixels = read_video(world / "new" / "0.mp4", frames=shape.frames, size=shape.size, crop=shape.crop).pixels
    article = text.split('id="v1"')[1].split("</article>")[0]
    (shown,) = images(article)
    expected = cv2.imdecode(np.frombuffer(sheet(pixels.permute(0, 2, 3, 1).numpy()).jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(shown, expected)
    nearest = labels[0].nearest
    number = [example.clip for example in classifier.examples].index(nearest) + 1
    assert f'href="#f{number}"' in article and nearest in article


def test_only_the_first_videos_have_pictures_and_all_have_answers(world, classifier, decoded, tmp_path, monkeypatch):
    for module in (page_module, pictures_module):
        monkeypatch.setattr(module, "MOST", 2)
    kept = Pictures()
    labels = classifier.predict_many(world / "new", pictures=kept)
    assert sorted(kept) == [str(world / "new" / f"{seed}.mp4") for seed in range(2)]
    decoded.clear()
    write_page(tmp_path / "page.html", classifier, labels, pictures=kept)
    assert not [name for name in decoded if name.startswith("new/")]
    found = Page((tmp_path / "page.html").read_text())
    assert len(found.having("article")) == 6 and found.text.count("What the model saw") == 2


def test_what_has_gone_since_leaves_no_picture_and_no_error(world, classifier, tmp_path):
    labels = classifier.predict_many(world / "new")
    lost = shutil.copytree(world / "examples", tmp_path / "examples")
    other = Classifier.from_examples(lost, recipe=world / "small.yaml", runs=tmp_path / "runs")
    shutil.rmtree(lost / "run")
    gone = replace(labels[0], video=tmp_path / "gone.mp4")
    write_page(tmp_path / "page.html", other, [gone, *labels[1:]])
    found = Page((tmp_path / "page.html").read_text())
    assert "gone.mp4" in found.text and "2 without a picture" in found.text


def windows_of(path):
    shape = small_recipe().input
    return VideoWindows(path, window=1.0, stride=0.25, frames=shape.frames, size=shape.size)


def test_a_film_never_holds_more_than_its_limit_and_stays_even(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures_module, "LONGEST", 8)
    video = write_video(tmp_path / "long.mp4", frames=300, size=(48, 36))
    film, most = Film(small_recipe().input), 0
    for window in windows_of(video):
        film.keep([window])
        most = max(most, len(film.frames))
    times = [*film.frames]
    assert most < 8 and len(times) >= 4 and len(set(np.diff(times).round(6))) == 1
    assert times[0] == 0.5 and times[-1] + 2 * np.diff(times)[0] > 300 / 25 - 1
    assert film.between(times[0], times[-1]).frames == 4 and film.between(0.49, 0.51).frames == 1
    assert film.between(50, 60).frames == 1 and Film(small_recipe().input).between(0, 1) is None


def test_segments_of_a_long_video_have_pictures_of_their_own_time(world, classifier, tmp_path):
    video = write_video(tmp_path / "long.mp4", frames=120, size=(48, 36))
    kept = Pictures()
    timeline = classifier.timeline(video, window=1.0, pictures=kept)
    write_page(tmp_path / "page.html", classifier, [], [timeline], pictures=kept)
    text = (tmp_path / "page.html").read_text()
    section = text.split('id="long"')[1].split("</section>")[0]
    assert len(timeline.segments) == len(images(section)) >= 1
    without = tmp_path / "without.html"
    write_page(without, classifier, [], [timeline])
    assert not images(without.read_text().split('id="long"')[1].split("</section>")[0])


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_it_looks_right_in_a_browser(browser, classifier, tmp_path, width, dark):
    labels = classifier.predict_many(classifier.folder.parent / "new")
    write_page(tmp_path / "page.html", classifier, labels)
    found = check(browser, tmp_path / "page.html", width=width, dark=dark)
    shares = [share for label in labels for share in label.probabilities.values()]
    assert [bar["share"] for bar in found["bars"]] == pytest.approx(shares, abs=0.01)
    assert sum(shares) == pytest.approx(5)
