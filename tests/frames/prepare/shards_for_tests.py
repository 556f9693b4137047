"""Shards of a small folder of videos, for the tests of cutting and of merging."""

from pathlib import Path

from strmctl.frames.prepare.prepare import prepare
from strmctl.frames.prepare.request import Request
from strmctl.frames.prepare.summary import PrepareResult
from strmctl.frames.store.shards import Shard
from tests.videos_for_tests import write_video

THIRDS = [Shard(index, 3) for index in (1, 2, 3)]
CLIPS = 12  # of the folder


def write_videos(folder: Path) -> Path:
    """Class folders `walk` and `run` of six clips each, among them a video of five frames and a text."""
    for number in range(CLIPS - 2):
        write_video(folder / ("walk" if number % 2 else "run") / f"{number}.mp4", seed=number, frames=10)
    write_video(folder / "walk" / "short.mp4", frames=5)
    (folder / "run" / "text.mp4").write_text("text")
    return folder


def prepare_shards(request: Request, count: int = 3) -> list[PrepareResult]:
    """Prepares one shard after another."""
    return [prepare(request, shard=Shard(index, count)) for index in range(1, count + 1)]
