"""A small folder of videos, for the tests of cutting into shards and of merging."""

from pathlib import Path

import pytest

from strmctl.frames.prepare.request import Request
from tests.videos_for_tests import write_video


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Class folders `walk` and `run` of six clips each, among them a video of five frames and a text; tests read it."""
    folder = tmp_path_factory.mktemp("shards") / "videos"
    for number in range(10):
        write_video(folder / ("walk" if number % 2 else "run") / f"{number}.mp4", seed=number, frames=10)
    write_video(folder / "walk" / "short.mp4", frames=5)
    (folder / "run" / "text.mp4").write_text("text")
    return folder


@pytest.fixture
def request_(videos, tmp_path) -> Request:
    """What prepares them as `mine`."""
    return Request(f"{videos}", data_dir=tmp_path / "data", name="mine", size="32")
