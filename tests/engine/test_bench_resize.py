"""`bench resize`: its reference is Lanczos, its figures are PSNR, and only what is made smaller counts."""

import math

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from strmctl.engine.bench_resize import EQUAL_DB, bench_resize, evenly_spaced, lanczos, one_thread, psnr, sample
from strmctl.errors import DataError, UsageError
from tests.videos_for_tests import write_video


def noise(height, width):
    return np.random.Generator(np.random.Philox(4)).integers(0, 256, (height, width, 3), np.uint8)


def pillow(frame, to):
    """The reference, computed by Pillow in float32."""
    planes = [Image.fromarray(frame[..., channel].astype(np.float32)) for channel in range(3)]
    return np.stack([np.asarray(plane.resize(to, Image.Resampling.LANCZOS)) for plane in planes], axis=-1).clip(0, 255)


@pytest.mark.parametrize(("shape", "to"), [((90, 120), (40, 30)), ((61, 47), (20, 33)), ((48, 64), (50, 48))])
def test_the_reference_is_pillow_s_lanczos(shape, to):
    frame = noise(*shape)
    small = lanczos(frame, to)
    assert small.dtype == np.float64 and small.shape == (to[1], to[0], 3)
    np.testing.assert_allclose(small, pillow(frame, to), atol=2e-3)


def test_psnr():
    image, reference = np.full((2, 2, 3), 10, np.uint8), np.full((2, 2, 3), 10.0)
    assert psnr(image, reference) == EQUAL_DB
    reference[0] = 14  # half of the values are off by 4: a mean square of 8
    assert psnr(image, reference) == pytest.approx(10 * math.log10(65025 / 8), abs=1e-12)
    assert psnr(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255.0)) == 0


def test_evenly_spaced():
    assert evenly_spaced(10, 4) == [0, 3, 6, 9]
    assert evenly_spaced(3, 8) == [0, 1, 2]
    assert evenly_spaced(5, 1) == [0]


def test_figures_follow_from_the_frames(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=10, size=(96, 72), codec="MJPG")
    write_video(tmp_path / "deep" / "b.avi", frames=10, size=(60, 40), codec="MJPG", seed=1)
    write_video(tmp_path / "deep" / "small.avi", frames=10, size=(40, 30), codec="MJPG", seed=2)
    (tmp_path / "deep" / "text.avi").write_text("no video")
    told = []
    found = bench_resize(tmp_path, size=30, frames_per_clip=4, progress=lambda *now: told.append(now))
    sources = [(entry["source"], entry["output"], entry["clips"], entry["frames"]) for entry in found["sources"]]
    assert sources == [("60x40", "45x30", 1, 4), ("96x72", "40x30", 1, 4)]
    assert found["not_smaller"] == 1
    assert [entry["video"] for entry in found["left_out"]] == ["deep/text.avi"]
    assert told[-1] == (4, 4, "")
    capture = cv2.VideoCapture(str(path))
    frames = [capture.read()[1] for _ in range(10)]
    expected = []
    for frame in [frames[position] for position in (0, 3, 6, 9)]:
        small, reference = cv2.resize(frame, (40, 30), interpolation=cv2.INTER_AREA), pillow(frame, (40, 30))
        expected.append(10 * math.log10(255**2 / np.mean((small - reference.astype(float)) ** 2)))
    figures = found["sources"][1]["filters"]["OpenCV INTER_AREA"]
    assert figures["psnr_db"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert figures["psnr_db_min"] == pytest.approx(min(expected), abs=1e-3)
    for entry in found["sources"]:
        assert all(25 < own["psnr_db"] < EQUAL_DB for own in entry["filters"].values())  # no colours or axes swapped
        assert all(own["frames_per_second"] > 0 for own in entry["filters"].values())


def test_what_aliases_is_told_from_what_does_not(tmp_path):
    """Stripes that are finer than the result can show must turn grey."""
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"FFV1"), 12, (128, 96))
    stripes = np.zeros((96, 128, 3), np.uint8)
    stripes[:, np.arange(128) % 4 < 2] = 255
    for _ in range(3):
        writer.write(stripes)
    writer.release()
    filters = bench_resize(tmp_path, size=30, clips=1)["sources"][0]["filters"]
    quality = {name: figures["psnr_db"] for name, figures in filters.items()}
    for aliases in ("OpenCV INTER_LINEAR", "OpenCV INTER_CUBIC", "OpenCV INTER_LANCZOS4"):
        for does_not in ("OpenCV INTER_AREA", "torch bilinear, antialiased", "torch bicubic, antialiased"):
            assert quality[aliases] + 5 < quality[does_not]


def test_swscale_is_measured_where_pyav_is(tmp_path):
    pytest.importorskip("av")
    write_video(tmp_path / "a.avi", frames=3, size=(96, 72), codec="MJPG")
    filters = bench_resize(tmp_path, size=24)["sources"][0]["filters"]
    # the same filter in two libraries
    pairs = [("bilinear", "torch bilinear, antialiased"), ("area", "OpenCV INTER_AREA")]
    for how, other in pairs:
        assert filters[f"swscale {how}"]["psnr_db"] == pytest.approx(filters[other]["psnr_db"], abs=1.5)


def test_sample_takes_evenly_spaced_frames(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=9, size=(64, 48), codec="MJPG")
    capture = cv2.VideoCapture(str(path))
    frames = [capture.read()[1] for _ in range(9)]
    np.testing.assert_array_equal(sample(path, 3, above=47), [frames[0], frames[4], frames[8]])
    assert sample(path, 3, above=48) == []


def test_nothing_is_made_smaller(tmp_path):
    write_video(tmp_path / "a.avi", frames=3)
    with pytest.raises(
        DataError, match=r"no frame of the videos below .* is made smaller by a shorter side of 48 pixels"
    ) as caught:
        bench_resize(tmp_path, size=48)
    assert "--size" in caught.value.hint
    (tmp_path / "a.avi").write_text("no video")
    with pytest.raises(DataError, match=r"none of the videos below .* can be decoded; a.avi: "):
        bench_resize(tmp_path, size=48)
    with pytest.raises(UsageError):
        bench_resize(tmp_path, clips=0)


def test_threads_are_given_back():
    before = cv2.getNumThreads(), torch.get_num_threads()
    try:
        cv2.setNumThreads(3)
        torch.set_num_threads(2)
        with pytest.raises(ZeroDivisionError), one_thread():
            assert (cv2.getNumThreads(), torch.get_num_threads()) == (1, 1)
            _ = 1 / 0
        assert (cv2.getNumThreads(), torch.get_num_threads()) == (3, 2)
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])
