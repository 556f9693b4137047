"""A small recipe, and folders of examples, for the tests of `classify`."""

from pathlib import Path

from strmctl.recipe import Recipe, load_recipe
from tests.small_world import SMALL, write_videos

CHANGES = (*SMALL, "input.normalize=none", "train.episodes=0")


def small_recipe(*changes: str) -> Recipe:
    """The recipe `classify` with a random network on frames of 32 pixels."""
    return load_recipe("classify", (*CHANGES, *changes))


def recipe_file(path: Path, *changes: str) -> Path:
    """The small recipe as a file."""
    path.write_text(small_recipe(*changes).to_yaml(), encoding="utf-8")
    return path


def examples(folder: Path, **counts: int) -> Path:
    """Class folders with so many videos each, all different."""
    write_videos(folder, [f"{cls}/{number}.mp4" for cls, count in counts.items() for number in range(count)])
    return folder
