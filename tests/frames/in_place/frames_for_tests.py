"""Folders and zips of frames that the tests make for themselves."""

import struct
import zipfile
import zlib

import cv2
import numpy as np

from strmctl.frames.in_place.extracted import ExtractedFrames

CLIP = "top/archery/v_1"


def image(seed, size=(32, 24), suffix=".jpg"):
    """An encoded image of smooth noise."""
    small = np.random.Generator(np.random.Philox(seed)).integers(0, 256, (3, 4, 3), np.uint8)
    return cv2.imencode(suffix, cv2.resize(small, size))[1].tobytes()


def huge(kind):
    """An image whose header declares 40,000x40,000 pixels."""
    sides = struct.pack(">HH" if kind == "jpg" else ">LL", 40_000, 40_000)
    content = image(0, suffix=f".{kind}")
    at = content.index(b"\xff\xc0") + 5 if kind == "jpg" else 16
    content = content[:at] + sides + content[at + len(sides) :]
    return content if kind == "jpg" else content[:29] + struct.pack(">L", zlib.crc32(content[12:29])) + content[33:]


def write_tree(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_zip(path, files, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            entry = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            entry.compress_type = method
            archive.writestr(entry, content)
    return path


def frames_of(kind, tmp_path, files):
    """The same files in a folder tree or in a zip."""
    where = write_tree(tmp_path / "tree", files) if kind == "folder" else write_zip(tmp_path / "all.zip", files)
    return ExtractedFrames(where)


def three_clips():
    """Three clips, of which the first has its twelve frames in an order that is not theirs."""
    numbers = [10, 2, 1, 12, 11, 9, 8, 7, 6, 5, 4, 3]
    return {
        **{f"{CLIP}/{number}.jpg": image(number) for number in numbers},
        **{f"top/archery/v_2/frame_{number:03d}.PNG": image(number, suffix=".png") for number in range(9)},
        **{f"top/müsli essen/é 3/img_{number:05d}.JPEG": image(30 + number) for number in range(2)},
        "top/archery/notes.txt": b"x",
        "top/archery/v_1/.hidden.jpg": b"x",
        "__MACOSX/top/archery/v_1/1.jpg": b"x",
        ".cache/v_1/1.jpg": b"x",
        "top/archery/Thumbs.db": b"x",
    }
