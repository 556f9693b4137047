"""Matplotlib under our own settings, whatever those of the user are. All others import it from here.

Its defaults hold while something is drawn or saved, and no backend is loaded but those that write PNG and SVG. Where
matplotlib is imported here first, files and variables of the user, some of which stop it, are not even read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from strmctl.paths import PACKAGE, write_bytes

NAME = "matplotlibrc"


@contextlib.contextmanager
def _away_from_the_user() -> Iterator[None]:
    """Hides what matplotlib would read, or say about a folder that it may not write to, when it is imported."""
    found = importlib.util.find_spec("matplotlib")
    defaults = Path(found.submodule_search_locations[0], "mpl-data", NAME) if found else PACKAGE
    logger, folder = logging.getLogger("matplotlib"), Path.cwd() if Path(NAME).exists() else None
    before, level = os.environ.copy(), logger.level
    os.environ.update(MPLBACKEND="agg", MATPLOTLIBRC=str(defaults))
    logger.setLevel(logging.ERROR)
    if folder:  # a file there comes before all others
        os.chdir(PACKAGE)
    try:
        yield
    finally:
        if folder:
            os.chdir(folder)
        logger.setLevel(level)
        for name in ("MPLBACKEND", "MATPLOTLIBRC"):
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


with _away_from_the_user():
    from matplotlib import colormaps, rc_context, rcParamsDefault
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.backends import backend_agg, backend_svg  # noqa: F401 - neither is looked for when it is needed
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.textpath import text_to_path
    from matplotlib.ticker import MaxNLocator

__all__ = [
    "Artist",
    "Axes",
    "Figure",
    "FontProperties",
    "Line2D",
    "MaxNLocator",
    "OnPage",
    "Patch",
    "PowerNorm",
    "Rendered",
    "colormaps",
    "own_settings",
    "pixels_of",
    "rendered",
    "save_picture",
    "svg_text",
    "text_to_path",
]
SETTINGS = {name: rcParamsDefault[name] for name in rcParamsDefault if name != "backend"} | {"svg.hashsalt": "strmctl"}


class OnPage(NamedTuple):
    """A chart for a page, which takes the form that there is room for, in the colours of the reader's scheme."""

    wide: str  # SVG
    narrow: str  # SVG
    caption: str


class Rendered(NamedTuple):
    """A figure as the files of a report, and for its page where that shows more than the file."""

    svg: str
    png: bytes
    page: OnPage | None = None


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Everything that draws runs in here; as a decorator, a whole function."""
    with rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a label may be in any script
        yield


def rendered(figure: Figure) -> Rendered:
    """A figure as SVG and PNG."""
    return Rendered(svg_text(figure), _written(figure, "png", "Software").getvalue())


def svg_text(figure: Figure) -> str:
    """A figure as SVG; the same figure gives the same text, without a date."""
    return _written(figure, "svg", "Date").getvalue().decode()


@own_settings()
def pixels_of(figure: Figure) -> np.ndarray:
    """A figure as pixels, uint8 RGBA (height, width, 4), for what is drawn into something else."""
    canvas = backend_agg.FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


def save_picture(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, whole or not at all; the same figure gives the same bytes."""
    write_bytes(path, _written(figure, "png", "Software").getvalue())


@own_settings()
def _written(figure: Figure, kind: str, left_out: str) -> io.BytesIO:
    """A file of this kind, without one entry of its metadata."""
    file = io.BytesIO()
    figure.savefig(file, format=kind, metadata={left_out: None})
    return file
