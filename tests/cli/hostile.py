"""What the tests of hostile input share: videos that nobody would put into a data set, and what lies around them."""

import hashlib
import os
import shutil
import struct

from tests.videos_for_tests import pictures_of, write_odd_video, write_video

HUGE = 40_000  # pixels


def surroundings(*folders):
    """What lies below folders: path -> content of files, or where links lead; names are bytes, so that any will do."""
    found = {}
    for top in map(os.fsencode, folders):
        for folder, folders_in, names in os.walk(top):
            for name in [*folders_in, *names]:
                path = os.path.join(folder, name)  # noqa: PTH118 - a Path takes no bytes
                if os.path.islink(path):  # noqa: PTH114
                    found[path] = os.readlink(path)  # noqa: PTH115
                elif os.path.isfile(path):  # noqa: PTH113
                    with open(path, "rb") as file:  # noqa: PTH123
                        found[path] = hashlib.sha256(file.read()).digest()
                else:
                    found[path] = os.stat(path).st_mode  # noqa: PTH116
    return found


def declare_size(path, side):
    """Lets the headers of a video lie about its size: AVI and its JPEG images, or MP4."""
    content = path.read_bytes()
    content = content.replace(struct.pack("<2I", 64, 48), struct.pack("<2I", side, side))  # RIFF
    content = content.replace(struct.pack(">2H", 48, 64), struct.pack(">2H", side, side))  # JPEG
    content = content.replace(struct.pack(">2H", 64, 48), struct.pack(">2H", side, side))  # sample entry of MP4
    content = content.replace(
        struct.pack(">2I", 64 << 16, 48 << 16), struct.pack(">2I", side << 16, side << 16)
    )  # tkhd
    assert content != path.read_bytes()
    path.write_bytes(content)


def declare_time(path, frames, fps):
    """Lets the headers of an AVI lie about its number of frames and its frames per second."""
    content = bytearray(path.read_bytes())
    header, stream = content.index(b"avih") + 8, content.index(b"strh") + 8
    struct.pack_into("<I", content, header, 0)  # microseconds per frame
    struct.pack_into("<I", content, header + 16, frames)
    struct.pack_into("<2I", content, stream + 20, 1, fps)
    struct.pack_into("<I", content, stream + 32, frames)
    path.write_bytes(content)


def write_hostile_videos(videos, outside):
    """A folder of class folders with what nobody would put there, and one good video."""
    run = videos / "run"
    good = write_video(run / "good.mp4", seed=1)
    (run / "hard link.mp4").hardlink_to(good)
    for name in ("a\\..\\..\\b", "%2e%2e%2f", "-rf", "http:", "x..", "$(touch pwned)", "concat:a|b"):
        shutil.copy(good, run / f"{name}.mp4")
    for name in ("...mp4", "new\nline.mp4", os.fsdecode(b"\xff\xfe.mp4"), ".hidden.mp4"):
        shutil.copy(good, run / name)
    (outside / "folder").mkdir(parents=True)
    write_video(outside / "real.mp4", seed=2)
    write_video(outside / "folder" / "far.mp4", seed=3)
    (run / "linked.mp4").symlink_to(outside / "real.mp4")
    (run / "broken.mp4").symlink_to(outside / "none.mp4")
    (run / "loop.mp4").symlink_to("loop.mp4")
    (run / "device.mp4").symlink_to("/dev/zero")
    (run / "up").symlink_to(videos)
    (videos / "walk").symlink_to(outside / "folder")
    write_odd_video(run / "tiny.avi", pictures_of(12, (1, 1)), codec="ffv1")
    write_odd_video(run / "thin.avi", pictures_of(12, (4000, 1)), codec="ffv1")
    (run / "zero.mp4").write_bytes(b"")
    (run / "text.mp4").write_text("text, and no video")
    os.mkfifo(run / "pipe.mp4")
    write_video(run / "folder.mp4" / "inside.mp4", seed=4)
    declare_size(write_video(run / "huge.avi", codec="MJPG"), HUGE)
    declare_size(write_video(run / "huge.mp4"), HUGE)
    declare_size(write_odd_video(run / "raw.avi", pictures_of(12), codec="rawvideo"), HUGE)
    declare_time(write_video(run / "long.avi", codec="MJPG"), 0x7FFFFFFF, 1_000_000_000)
    (videos / "loose.mp4").write_bytes(b"no class")
