"""The memory that preparing a long, large video takes: it must not grow with the length of the video."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from strmctl.frames.store.manifest import read_manifest

av = pytest.importorskip("av")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")]

ROOT = Path(__file__).parents[3]
SECONDS, FPS, SIZE = 300, 5, (3840, 2160)
ONCE = 60  # frames that are encoded, and then repeated
# prepares in this process and writes its peak memory (VmHWM, KiB) as the last line
MEASURED = """
import sys
from pathlib import Path
from strmctl.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
status = Path("/proc/self/status").read_text()
print("\\n" + status.split("VmHWM:")[1].split()[0])
sys.exit(code)
"""


def write_long_video(path):
    """Five minutes of 4K in H.264 with B-frames: a bright field that wanders over noise, the same 60 frames again."""
    path.parent.mkdir(parents=True)
    noise = np.random.Generator(np.random.Philox(0)).integers(60, 100, (135, 240, 3), np.uint8)
    background = cv2.resize(noise, SIZE, interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "bf": "2", "refs": "5"})
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.gop_size = "yuv420p", ONCE
        packets = []
        for index in range(ONCE):
            picture = background.copy()
            picture[800:1200, 100 + 50 * index : 500 + 50 * index] = 250
            packets += stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24"))
        packets += stream.encode()
        kept = [(bytes(packet), packet.pts, packet.dts, packet.is_keyframe) for packet in packets]
        length = ONCE / FPS / packets[0].time_base
        for number in range(SECONDS * FPS // ONCE):  # as the first is a key frame, they can follow one another
            for content, shown, decoded, key in kept:
                packet = av.Packet(content)
                packet.stream, packet.time_base, packet.is_keyframe = stream, packets[0].time_base, key
                packet.pts, packet.dts = shown + int(number * length), decoded + int(number * length)
                container.mux(packet)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long") / "videos"
    write_long_video(folder / "long.mp4")
    return folder


@pytest.mark.parametrize(("frames", "stored"), [("all", SECONDS * FPS), ("8", 8)])
def test_five_minutes_of_4k_take_less_than_a_gigabyte(videos, tmp_path, frames, stored):
    words = ["prepare", f"{videos}/", "--flat", "--name", "x", "--data", str(tmp_path), "--workers", "1"]
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, *words, "--frames", frames],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    (row,) = read_manifest(tmp_path / "x")
    assert (row.width, row.height, row.fps, row.frames) == (*SIZE, FPS, stored)
    assert (row.status, row.reason) == ("ok", "")
    kib = int(ran.stdout.split()[-1])
    assert 50_000 < kib < 1_000_000, kib  # KiB; far less than the frames take
