import struct

import cv2
import numpy as np
import pytest

from strmctl.frames.in_place.extracted import ExtractedFrames
from strmctl.frames.in_place.image_headers import image_header
from tests.frames.in_place.frames_for_tests import image


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("size", [(1, 1), (641, 7), (300, 4000)])
def test_the_size_in_the_header_is_the_one_that_opencv_decodes(suffix, size):
    header = image_header(image(0, size, suffix))
    assert (header.width, header.height) == size


def test_headers_of_other_jpeg_files(tmp_path):
    pixels = np.zeros((40, 56, 3), np.uint8)
    progressive = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2))[
        1
    ].tobytes()
    assert image_header(progressive)[:2] == (56, 40)
    # a preview inside comes before the header of the image itself, and fill bytes may stand between
    preview = b"\xff\xe1" + struct.pack(">H", len(image(0)) + 2) + image(0)
    whole = b"\xff\xd8" + preview + b"\xff\xff\xff" + progressive[3:]
    assert image_header(whole)[:2] == (56, 40)
    (tmp_path / "c/v").mkdir(parents=True)
    (tmp_path / "c/v/1.jpg").write_bytes(whole[: len(whole) - 40])  # the preview's end is not the end
    assert ExtractedFrames(tmp_path).describe("c/v").reason == "1 of 1 images are cut off"
    for broken in (
        progressive[:150],
        b"\xff\xd8",
        b"\xff\xd8" + b"\xff\xe0\0\0" * 9,
        b"\xff\xd8\xff\xda" + progressive,
        b"GIF89a",
    ):
        assert image_header(broken) is None


@pytest.mark.parametrize("marker", [0x01, 0xD0])
def test_a_marker_without_a_length_before_the_header_of_a_jpeg(marker):
    content = image(0)[:2] + bytes([0xFF, marker]) + image(0)[2:]
    assert image_header(content)[:2] == (32, 24)
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape == (24, 32, 3)


@pytest.mark.parametrize("marker", [0xD9, 0xDA])
def test_a_jpeg_that_ends_or_begins_before_its_header(marker):
    content = image(0)[:3] + bytes([marker]) + image(0)[4:]  # in place of the first segment
    assert image_header(content) is None
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is None
