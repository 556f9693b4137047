import os
import sys

import pytest

from strmctl.datasets.names import BAD_NAME, SEEN
from strmctl.errors import DataError
from strmctl.frames.in_place import frame_folders
from strmctl.frames.in_place.extracted import ExtractedFrames
from strmctl.frames.in_place.frame_folders import NO_FILE
from strmctl.frames.in_place.image_names import NO_CLIP_FOLDER
from tests.frames.in_place.frames_for_tests import image, write_tree


@pytest.mark.skipif(sys.platform == "win32", reason="names and links as POSIX has them")
def test_odd_files_in_a_folder(tmp_path):
    tree = write_tree(
        tmp_path / "tree", {"c/v/1.jpg": image(1), "1.jpg": b"", "c/new\nline/1.jpg": b"", "c/v/\n.jpg": b""}
    )
    write_tree(tree, {os.fsdecode(b"c/v/\xff.jpg"): b"x"})
    (tree / "c/v/3.jpg").symlink_to("nowhere")
    os.mkfifo(tree / "c/v/4.jpg")  # reading it would wait for ever
    with pytest.raises(DataError, match="no frames at"):
        ExtractedFrames(tree / "c/v/4.jpg")
    frames = ExtractedFrames(tree)
    assert frames.clips() == ["c/v"] and frames.images("c/v") == ["1.jpg"]
    assert frames.ignored == sorted(
        [
            ("1.jpg", NO_CLIP_FOLDER),
            ("c/new?line", BAD_NAME),
            ("c/v/?.jpg", BAD_NAME),
            ("c/v/?.jpg", BAD_NAME),  # another one
            ("c/v/3.jpg", NO_FILE),
            ("c/v/4.jpg", NO_FILE),
        ]
    )


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_and_loops_end(tmp_path):
    elsewhere = write_tree(tmp_path / "elsewhere", {"v_9/1.jpg": image(9), "lone.jpg": image(8)})
    tree = write_tree(tmp_path / "tree", {"c/v/1.jpg": image(1)})
    (tree / "c/linked").symlink_to(elsewhere / "v_9")
    (tree / "c/up").symlink_to(tree)
    (tree / "c/v/again").symlink_to(tree / "c")
    (tree / "c/v/2.jpg").symlink_to(elsewhere / "lone.jpg")
    frames = ExtractedFrames(tree)
    assert frames.clips() == ["c/linked", "c/v"]
    assert frames.ignored == [("c/up", SEEN), ("c/v/again", SEEN)]
    assert frames.read("c/linked", [0]) == [image(9)] and frames.read("c/v", [0, 1]) == [image(1), image(8)]
    (elsewhere / "lone.jpg").unlink()
    with pytest.raises(DataError, match=r"2\.jpg cannot be read: No such file"):
        frames.read("c/v", [1])


def test_a_huge_file_takes_no_memory(tmp_path, monkeypatch):
    tree = write_tree(tmp_path / "tree", {"c/v/1.jpg": image(1)})
    with (tree / "c/v/1.jpg").open("r+b") as file:
        file.truncate(1 << 40)  # sparse: takes no space
    monkeypatch.setattr(frame_folders, "MOST_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"1\.jpg has more than 1 MB"):
        ExtractedFrames(tree).read("c/v", [0])
