"""The memory that preparing a large video takes: it must not grow with the length of the video."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from strmctl.frames.store.manifest import read_manifest

av = pytest.importorskip("av")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")]

ROOT = Path(__file__).parents[3]
FRAMES, FPS, SIZE = 120, 5, (3840, 2160)
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


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """4K in H.264 with B-frames, a bright field that wanders: 1.5 GB as it is decoded (YUV), 3 GB as pixels."""
    folder = tmp_path_factory.mktemp("long")
    with av.open(str(folder / "long.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "bf": "2", "refs": "5"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for index in range(FRAMES):
            picture = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)  # the planes of yuv420p
            picture[800:1200, 100 + 20 * index : 500 + 20 * index] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode())
    return folder


@pytest.mark.parametrize(("frames", "stored"), [("all", FRAMES), ("8", 8)])
def test_a_long_4k_video_takes_less_than_a_gigabyte(videos, tmp_path, frames, stored):
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
    assert 50_000 < kib < 1_000_000, kib  # KiB; less than the frames take
