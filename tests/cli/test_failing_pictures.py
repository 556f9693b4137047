"""A picture that fails never costs a number; where the picture is what was asked for, its error is the command's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from strmctl.ablation import report_models
from strmctl.cli.commands import demo
from strmctl.report import drawing
from strmctl.results import read_document
from tests.saved import cost, grid_of, recipe_of, write_cell
from tests.small_world import refused, train
from tests.videos_for_tests import strmctl, write_video

pytestmark = pytest.mark.slow
EVAL = ("--way", 2, "--shots", 1, "--episodes", 20, "--device", "cpu")
LAZY = ("report.pictures.", "report.charts.", "report.text", "report.drawing")


def raise_while_drawing(monkeypatch):
    def fail(*words, **options):
        raise ValueError("no such\nglyph")

    monkeypatch.setattr(drawing.Figure, "savefig", fail)
    return "ValueError: no such glyph"


def refuse_to_write(monkeypatch):
    before = Path.write_bytes

    def write(path, content):
        if content.startswith(b"\x89PNG"):
            raise OSError(28, "No space left on device", str(path))
        return before(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    return "No space left on device"


def miss_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.removeprefix("strmctl.").startswith(LAZY)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    return "ModuleNotFoundError: import of matplotlib halted"


@pytest.fixture(params=[raise_while_drawing, refuse_to_write, miss_matplotlib])
def reason(request, monkeypatch):
    return request.param(monkeypatch)


def warnings(ran):
    return [line for line in ran.err.splitlines() if line.startswith("warning: ")]


def test_eval_prints_and_writes_its_numbers(data, runs, reason):
    for old in (runs / "sprites" / "eval").iterdir():
        old.unlink()
    words = ("eval", *EVAL, "--shots", "1,2", "--data", data, "--runs", runs)
    ran = strmctl(*words)
    assert ran.code == 0 and "1-shot" in ran.out and "%" in ran.out, ran.err
    files = {path.suffix: path for path in (runs / "sprites" / "eval").iterdir()}
    assert set(files) == {".json", ".csv"} and read_document(files[".json"]).episodes == 20
    pictures = [f"{files['.json'].with_suffix('')}_confusion_{shot}shot.png" for shot in (1, 2)]
    said = warnings(ran)
    assert len(said) == 2 and all(reason in line for line in said), ran.err
    assert all(picture in line for picture, line in zip(pictures, said, strict=True)), ran.err
    assert strmctl(*words, "--json").json()["results"] == [dict(f) for f in read_document(files[".json"]).results]
    assert warnings(strmctl(*words, "--no-pictures")) == []


@pytest.fixture
def grid(tmp_path, monkeypatch):
    monkeypatch.setattr(report_models, "cost_table", lambda *args, **sizes: cost())
    cells = [("STRM", recipe_of(seed=seed)) for seed in (0, 1)]
    found = grid_of(cells, kind="components")
    found.write(tmp_path / "runs")
    for place, cell in enumerate(found.cells):
        write_cell(tmp_path / "runs", cell, found, 0.4, answers=place)
    return tmp_path / "runs"


def test_report_has_all_but_the_pictures(grid, tmp_path, reason):
    ran = strmctl("report", "--runs", grid, "--out", tmp_path / "out")
    assert ran.code == 0 and ran.out.startswith("Parts of STRM"), ran.err
    assert {"index.html", "report.md", "report.json", "components.csv"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }
    assert warnings(ran) and all(reason in line and str(tmp_path / "out") in line for line in warnings(ran)), ran.err
    assert not list((tmp_path / "out").glob("*.png"))
    assert strmctl("report", "--runs", grid, "--out", tmp_path / "out", "--json").json()["grids"]


def test_a_report_misses_only_the_figure_that_fails(grid, tmp_path, monkeypatch):
    from strmctl.report.charts import draw

    def draw_cost(document):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(draw, "draw_cost", draw_cost)
    ran = strmctl("report", "--runs", grid, "--out", tmp_path)
    assert ran.code == 0 and len(warnings(ran)) == 1 and f"{tmp_path / 'cost.png'} was not drawn" in ran.err
    assert (tmp_path / "components.png").is_file() and not (tmp_path / "cost.svg").exists()
    assert "cost.png" not in (tmp_path / "report.md").read_text()


def test_viz_and_data_show_fail_as_the_picture_is_what_they_are_for(data, runs, tmp_path, reason):
    video = write_video(tmp_path / "x.mp4")
    refused(strmctl("viz", "--video", video, "--runs", runs, "--device", "cpu"), 1, reason, "x.png")
    out = tmp_path / "sheet.png"
    refused(strmctl("data", "show", "mine", "--data", data, "--out", out), 1, reason, out)
    assert not out.exists() and not list(runs.rglob("x.png"))


def test_the_demo_ends_well_without_its_picture(data, runs, tmp_path, monkeypatch, reason):
    video = write_video(tmp_path / "x.mp4")

    def step(title, name, *words, real=demo._step):
        if name == "viz":
            real(title, "viz", "--video", str(video), "--run", "sprites", "--runs", str(runs), "--device", "cpu")

    monkeypatch.setattr(demo, "_step", step)
    ran = strmctl("demo", "--runs", runs, "--data", data)
    assert ran.code == 0 and reason in warnings(ran)[0] and "Done in" in ran.err, ran.err


def test_training_goes_on_without_its_picture(data, tmp_path, reason):
    ran = train(data, tmp_path)
    assert ran.code == 0 and "best on the val split" in ran.out, ran.err
    (said,) = warnings(ran)
    assert f"{tmp_path / 'sprites' / 'train.png'} was not drawn" in said and reason in said
    assert {"train.csv", "weights.pt", "state.pt"} <= {path.name for path in (tmp_path / "sprites").iterdir()}
    assert not (tmp_path / "sprites" / "train.png").exists()


def test_a_matplotlib_that_cannot_be_loaded(data, runs, tmp_path):
    (tmp_path / "broken" / "matplotlib").mkdir(parents=True)
    (tmp_path / "broken" / "matplotlib" / "__init__.py").write_text(
        "raise ImportError('libfreetype.so.6: no such file')"
    )
    path = os.pathsep.join([str(tmp_path / "broken"), str(Path(__file__).parents[2])])
    words = ["eval", *map(str, EVAL), "--data", str(data), "--runs", str(runs)]
    ran = subprocess.run(
        [sys.executable, "-m", "strmctl", *words],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0 and "1-shot" in ran.stdout, ran.stderr
    assert "_confusion_1shot.png was not drawn: ImportError: libfreetype.so.6: no such file" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_numbers_are_shown_where_the_disk_refuses_them(data, runs, monkeypatch):
    def refuse(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("strmctl.results.write_json", refuse)
    ran = strmctl("eval", *EVAL, "--data", data, "--runs", runs, "--no-pictures")
    assert ran.code == 1 and "1-shot" in ran.out and "No space left on device" in ran.err and "make room" in ran.err
