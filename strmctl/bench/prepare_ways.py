"""The two ways to prepare videos that `bench prepare` measures: `prepare`, and one ffmpeg process after another."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from strmctl.errors import DataError
from strmctl.frames.prepare.prepare import Request, prepare
from strmctl.frames.prepare.request import look_up
from strmctl.frames.store.store import FrameStore

PEERS = "ffmpeg, one after another"
STORE = "bench"

# -q:v of ffmpeg that is nearest to JPEG quality 90 of OpenCV. Measured on 12 clips of three kinds (320×240 MPEG-4,
# 1280×720 H.264, 427×240 VP9), 24 frames each, 256 pixels high, against the same scaled frames without loss:
#   -q:v 2  10.2 to 11.7 kB per frame, PSNR 41.9 to 43.0 dB
#   -q:v 1  15.9 to 18.1 kB, 42.9 to 44.6 dB (only with -qmin 1)
#   OpenCV  12.1 to 14.1 kB, 42.7 to 43.3 dB
PEER_QUALITY = 2


@dataclass(frozen=True)
class Way:
    """One way to prepare the videos.

    Attributes:
        workers: number of processes of `prepare`; None for ffmpeg.
        frames: number of evenly spaced frames that are kept; None for all.
    """

    workers: int | None
    frames: int | None

    @property
    def name(self) -> str:
        """A name for people."""
        if self.workers is None:
            return PEERS
        processes = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"prepare, {processes}, {f'--frames {self.frames}' if self.frames else 'all frames'}"


@dataclass(frozen=True)
class Outcome:
    """What one way made of the videos, each named by its link (`000001.mp4`).

    Attributes:
        seconds: time that the work took.
        frames: video -> number of stored frames.
        size: bytes of all stored frames.
        failed: video -> reason why it gave no frames.
        kinds: video -> container, size and frame rate; empty for ffmpeg.
        decoders: programs that decoded them.
    """

    seconds: float
    frames: dict[str, int]
    size: int
    failed: dict[str, str]
    kinds: dict[str, str]
    decoders: set[str]


def ffmpeg_version() -> str:
    """Version of the ffmpeg on the PATH.

    Raises:
        DataError: there is none that runs.
    """
    try:
        ran = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, errors="replace", check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        hint = "install the package ffmpeg (`apt-get install ffmpeg`), or measure `prepare` alone with `--no-peer`"
        raise DataError("there is no ffmpeg on the PATH to compare with", hint) from error
    match = re.match(r"ffmpeg version (\S+)", ran.stdout)
    return match[1] if match else "unknown"


def ffmpeg_command(video: Path, size: int, quality: int) -> list[str]:
    """The command that writes all frames of a video into the current folder, with a shorter side of `size` pixels."""
    scale = f"scale=w='if(gt(iw,ih),-1,{size})':h='if(gt(iw,ih),{size},-1)'"
    quiet = ("-nostdin", "-loglevel", "error", "-protocol_whitelist", "file")  # a play list must not call elsewhere
    return ["ffmpeg", *quiet, "-i", str(video), "-map", "0:v:0", "-vf", scale, "-q:v", str(quality), "%05d.jpg"]


class Preparing:
    """Prepares the videos in `links` one way or another, each time into a new folder that is then removed.

    Attributes:
        links: folder of links to the videos.
        out: folder beside it, for the frames.
    """

    def __init__(self, folder: Path, size: int, quality: int, peer_quality: int) -> None:
        self.links, self.out = folder / "videos", folder / "out"
        self.size, self.quality, self.peer_quality = size, quality, peer_quality

    def check(self, way: Way) -> None:
        """Looks the videos up as `prepare` would, which raises UsageError when it refuses these settings."""
        look_up(self._request(way.frames))

    def run(self, way: Way) -> Outcome:
        """Prepares all videos; only the work itself is timed."""
        self.out.mkdir()
        try:
            return self._ffmpeg() if way.workers is None else self._prepare(way.workers, way.frames)
        finally:
            shutil.rmtree(self.out)

    def _request(self, frames: int | None) -> Request:
        how = {"size": str(self.size), "quality": self.quality, "frames": frames}
        return Request(what=f"{self.links}{os.sep}", data_dir=self.out, name=STORE, flat=True, **how)

    def _prepare(self, workers: int, frames: int | None) -> Outcome:
        begin = time.perf_counter()
        prepare(self._request(frames), workers=workers)
        seconds = time.perf_counter() - begin
        rows = FrameStore.open(self.out, STORE).rows
        good = [row for row in rows if row.frames]
        wrong = {row.source: f"prepare: {row.reason}" for row in rows if not row.frames}
        passed_over = {link.name for link in self.links.iterdir()} - {row.source for row in rows}
        return Outcome(
            seconds,
            {row.source: row.frames for row in good},
            sum(path.stat().st_size for path in self.out.rglob("*.zip")),
            wrong | dict.fromkeys(sorted(passed_over), "prepare: passed over"),
            {
                row.source: f"{Path(row.source).suffix[1:]} {row.width}×{row.height}, {row.fps:g} frames/s"
                for row in good
            },
            {row.decoder for row in good},
        )

    def _ffmpeg(self) -> Outcome:
        videos = sorted(self.links.iterdir())
        wrong: dict[str, str] = {}
        begin = time.perf_counter()
        for video in videos:
            (self.out / video.name).mkdir()
            command = ffmpeg_command(video, self.size, self.peer_quality)
            ran = subprocess.run(command, cwd=self.out / video.name, capture_output=True, check=False)
            if ran.returncode:
                lines = ran.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
                wrong[video.name] = lines[-1].removeprefix(f"{video}: ")
        seconds = time.perf_counter() - begin
        sizes = {video.name: [path.stat().st_size for path in (self.out / video.name).iterdir()] for video in videos}
        wrong = {name: "no frame" for name, own in sizes.items() if not own} | wrong
        return Outcome(
            seconds,
            {name: len(own) for name, own in sizes.items() if name not in wrong},
            sum(sum(own) for name, own in sizes.items() if name not in wrong),
            {name: f"ffmpeg: {reason}" for name, reason in wrong.items()},
            {},
            set(),
        )
