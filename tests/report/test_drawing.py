"""Pictures are the same bytes whatever the user's settings of matplotlib are, wherever they come from."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from strmctl.report.drawing import rendered
from strmctl.report.pictures.attention import draw_maps
from strmctl.report.pictures.confusion import draw_confusion
from strmctl.report.pictures.contact_sheet import draw_sheet
from tests.report.charts.charts_for_tests import draw_all
from tests.report.pictures.pictures_for_tests import counts_of, maps_of, sheet_row
from tests.saved import sample

pytestmark = pytest.mark.slow
HOSTILE = {  # of what figures are made, how they are laid out, and how they are saved
    "savefig.dpi": 300,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "savefig.facecolor": "red",
    "figure.dpi": 37,
    "figure.autolayout": True,
    "font.size": 30,
    "font.family": "cursive",
    "font.weight": "bold",
    "text.color": "red",
    "text.antialiased": False,
    "text.hinting": "none",
    "axes.grid": True,
    "axes.facecolor": "yellow",
    "axes.linewidth": 9,
    "axes.unicode_minus": False,
    "axes.xmargin": 0.4,
    "axes.formatter.use_locale": True,
    "axes.prop_cycle": "cycler('color', ['red'])",
    "lines.antialiased": False,
    "lines.linewidth": 9,
    "patch.force_edgecolor": True,
    "errorbar.capsize": 20,
    "hatch.linewidth": 5,
    "legend.fontsize": 40,
    "legend.framealpha": 0.1,
    "xtick.direction": "in",
    "xtick.minor.visible": True,
    "ytick.major.size": 20,
    "image.cmap": "gray",
    "image.interpolation": "bicubic",
    "image.origin": "lower",
    "image.lut": 8,
    "image.resample": False,
    "mathtext.fontset": "stix",
    "path.sketch": "1, 100, 2",
    "path.snap": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "salt",
}


def drawn(*, charts=True):
    """The hash of every kind of picture, and of chart, as PNG and SVG."""
    frames, maps = maps_of(frames=3)
    figures = (draw_all(sample()) if charts else {}) | {
        "maps": draw_maps(frames, maps, title="−1 $x$"),
        "confusion": draw_confusion(["a", "b"], counts_of(2), title="title"),
        "sheet": draw_sheet([sheet_row()], title="title"),
    }
    content = {kind: rendered(figure) for kind, figure in figures.items()}
    return {kind: hashlib.sha256(one.svg.encode() + one.png).hexdigest() for kind, one in content.items()}


@pytest.fixture(scope="module")
def usual():
    return drawn()


@pytest.mark.parametrize("more", [{}, {"text.usetex": True, "figure.constrained_layout.use": True}])
def test_settings_of_this_process_change_nothing_and_stay(usual, more):
    settings = HOSTILE | more
    with matplotlib.rc_context({name: value for name, value in settings.items() if name != "axes.prop_cycle"}):
        before = dict(matplotlib.rcParams)
        assert drawn() == usual
        assert dict(matplotlib.rcParams) == before


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("settings") / "matplotlibrc"
    lines = {"backend": "tkagg", "text.usetex": True, "no.such.key": 1, "figure.figsize": "nonsense"} | HOSTILE
    file.write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
    return file


def variables(tmp_path, settings_file):
    """Surroundings in which matplotlib itself would draw otherwise, complain, or not even be imported."""
    (tmp_path / "file").touch()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "matplotlibrc").write_bytes(settings_file.read_bytes())
    (tmp_path / "config" / "fontlist-v390.json").write_text("{damaged")
    (tmp_path / "config" / "fontlist-v3110.json").write_text("{damaged")
    yield {"MATPLOTLIBRC": settings_file, "MPLBACKEND": "TkAgg", "DISPLAY": ":77"}, None
    yield {"MPLCONFIGDIR": tmp_path / "config", "MPLBACKEND": "module://no_such_module"}, None
    yield {"MPLCONFIGDIR": tmp_path / "file" / "below a file", "MPLBACKEND": "nonsense"}, settings_file.read_bytes()
    yield {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/proc", "XDG_CACHE_HOME": "/proc"}, b"\xff\xfe no text"


@pytest.mark.parametrize("place", range(4))
def test_variables_and_files_of_the_user_change_nothing(usual, tmp_path, settings_file, place):
    added, here = list(variables(tmp_path, settings_file))[place]
    folder = tmp_path / "here"
    folder.mkdir()
    if here is not None:
        (folder / "matplotlibrc").write_bytes(here)
    code = (
        "import os\ndef around(): return {**os.environ, 'MPLCONFIGDIR': ''}, os.getcwd()\nbefore = around()\n"
        "from strmctl.report import drawing\nassert around() == before\n"
        f"from tests.report.test_drawing import drawn\nprint(drawn(charts={place == 0}))"
    )
    environment = os.environ | {name: str(value) for name, value in added.items()}
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    assert ran.stdout.strip() == str(usual if place == 0 else drawn(charts=False))


def test_a_picture_has_a_size_of_its_own(tmp_path):
    with matplotlib.rc_context({"savefig.dpi": 300, "savefig.bbox": "tight"}):
        one = rendered(draw_maps(*maps_of(frames=2), title="title")).png
    (tmp_path / "one.png").write_bytes(one)
    assert np.shape(matplotlib.image.imread(tmp_path / "one.png")) == (1272, 828, 4)
