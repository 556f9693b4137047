import re

import pytest

from strmctl.errors import DataError
from strmctl.frames.in_place import image_names
from strmctl.frames.in_place.image_names import NO_NUMBER, NOT_CHOSEN, OUTSIDE
from strmctl.frames.in_place.name_series import frames_among, outside
from tests.frames.in_place.frames_for_tests import frames_of, image, write_zip


def names(form, numbers=range(1, 12)):
    return [form.format(number) for number in numbers]


FLOW = names("flow_x_{:05d}.jpg") + names("flow_y_{:05d}.jpg")
MASKS = names("{:05d}_mask.png")
TIMES = [f"{second}.{part:03d}.jpg" for second in range(3) for part in range(0, 1000, 40)]


@pytest.mark.parametrize(
    "series",
    [
        names("{:05d}.jpg"),
        names("{}.jpg", range(9)),
        names("img_{}.JPG", (3, 4, 9, 10, 100)),  # gaps
        names("frame ({}).jpeg"),
        names("{:03d}.jpg", (1, 2)) + names("{:03d}.png", (3, 4)) + ["5.PNG"],  # of several formats and widths
        names("v_Archery_g01_c02_{:04d}.jpg"),
        names("{:05d}_320x240.jpg"),
        [f"frame_{number}_t{number * 40 / 1000:.3f}.png" for number in range(60)],
        names("cam1_{:04d}.jpg", (1, 2)) + names("cam2_{:04d}.jpg", (3, 4)),  # one count throughout
        MASKS,
    ],
)
@pytest.mark.parametrize("beside", [[], ["cover_1.jpg"], ["00001 (1).jpg", "thumb256.png"]])
def test_one_series_and_single_images_beside_it(series, beside):
    assert sorted(frames_among(series + beside, "")) == sorted(series)
    assert outside(beside + series, "") == beside


@pytest.mark.parametrize(
    "several",
    [
        {"img_*.jpg": names("img_{:05d}.jpg"), "flow_x_*.jpg": FLOW[:11], "flow_y_*.jpg": FLOW[11:]},
        {"*.png": names("{:05d}.png"), "*_mask.png": MASKS},
        {"*.jpg": names("{}.jpg"), "* (1).jpg": names("{} (1).jpg", (3, 4))},
        {"*.jpg": names("{:05d}.jpg"), "thumb_*.jpg": names("thumb_{}.jpg", (1, 2))},
        {"cam1_*.jpg": names("cam1_{}.jpg"), "cam2_*.jpg": names("cam2_{}.jpg")},
        {"img*": ["img1.jpg", "img2.png"], "IMG*.jpg": names("IMG{}.jpg")},
        {"a[[]1]_*.jpg": names("a[1]_{}.jpg"), "b[*]_*.jpg": names("b*_{}.jpg"), "[?]*.jpg": names("?{}.jpg")},
        {"img_*.jpg": ["img_1.jpg"], "flow_*.jpg": ["flow_1.jpg"]},
        {"img_*.jpg": names("img_{}.jpg"), "IMG_*.JPG": names("IMG_{}.JPG"), "Img_*.jpg": names("Img_{}.jpg")},
    ],
)
def test_several_series_are_named_with_patterns_that_choose_one(several):
    everything = [name for own in several.values() for name in own]
    with pytest.raises(DataError, match=rf"^{len(several)} series of images: .*") as caught:
        frames_among(everything, "")
    assert outside(everything, "") == []
    for label, own in several.items():
        assert f"{label} ({len(own)})" in str(caught.value)
        fitting = [name for name in everything if image_names.fault("clip", name, label) == ""]
        assert frames_among(fitting, label) == own
    assert caught.value.pattern in several


def test_a_pattern_of_several_series_is_still_an_error():
    for pattern, count in (("flow_*", 2), ("flow_?_*.jpg", 2), ("*", 3)):
        with pytest.raises(DataError, match=f"^{count} series"):
            frames_among([name for name in FLOW + names("img_{:05d}.jpg") if count == 3 or "flow" in name], pattern)


def test_times_as_names_are_chosen_by_a_star_for_each_number():
    with pytest.raises(DataError, match=re.escape("3 series of images: 0.*.jpg (25), 1.*.jpg (25)")):
        frames_among(TIMES, "")
    assert frames_among(TIMES, "*.*.jpg") == TIMES


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_folders_and_zips_follow_one_rule(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(image_names, "MOST_NAMED", 3)  # files of a reason that are named
    files = {f"c/v/{name}": image(1) for name in (*FLOW, *names("img_{:05d}.jpg"), "cover.jpg", "img_extra_1.jpg")}
    files |= {f"c/w/{name}": image(2) for name in (*names("img_{}.jpg"), "flow_x_1.jpg")}
    files |= {"c/poster.jpg": image(3), "c/v/@eaDir/1.jpg": image(3), "c/x.part/1.jpg": image(3)}
    frames = frames_of(kind, tmp_path, files)
    assert frames.clips() == ["c/v", "c/w"] and frames.images("c/w") == names("img_{}.jpg")
    assert frames.ignored_counts == {NO_NUMBER: 2, OUTSIDE: 1, image_names.UNFINISHED: 1}
    with pytest.raises(
        DataError, match=r"clip c/v in .*: 3 series of images: flow_x_\*\.jpg \(11\), .*img_\*\.jpg \(11"
    ):
        frames.images("c/v")
    chosen = type(frames)(frames.path, "img_*.jpg")
    assert chosen.images("c/v") == names("img_{:05d}.jpg") and chosen.describe("c/v").frames == 11
    assert chosen.ignored_counts == {NO_NUMBER: 2, OUTSIDE: 1, NOT_CHOSEN: 23, image_names.UNFINISHED: 1}
    assert [reason for _, reason in chosen.ignored].count(NOT_CHOSEN) == 3
    assert ("c/v/img_extra_1.jpg", OUTSIDE) in chosen.ignored
    assert type(frames)(frames.path, "nothing_*").clips() == []


def test_members_of_a_clip_that_lie_apart_in_a_zip_are_one_folder(tmp_path):
    files = [f"c/{clip}/{name}" for name in (*names("{}.jpg"), "cover_1.jpg") for clip in "vw"]
    frames = type(frames_of("zip", tmp_path, {}))(write_zip(tmp_path / "torn.zip", dict.fromkeys(files, image(1))))
    assert frames.ignored == [("c/v/cover_1.jpg", OUTSIDE), ("c/w/cover_1.jpg", OUTSIDE)]
    assert frames.images("c/v") == frames.images("c/w") == names("{}.jpg")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_two_widths_of_one_number_are_the_same_frame(tmp_path, kind):
    frames = frames_of(kind, tmp_path, {f"c/v/{name}": image(1) for name in ("1.jpg", "2.jpg", "002.jpg")})
    with pytest.raises(DataError, match=r"002\.jpg and 2\.jpg are the same frame"):
        frames.images("c/v")
