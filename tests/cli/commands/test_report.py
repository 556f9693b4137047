"""`strmctl report` as a person types it: what it writes, says and refuses."""

import json
import shutil

import pytest

from strmctl.ablation import report_models
from strmctl.explain import report_maps
from strmctl.report.charts import draw
from strmctl.report.document import from_json
from strmctl.report.pages import write
from tests.saved import cost, grid_of, recipe_of, write_cell, write_run
from tests.small_world import evaluate, refused, refused_in_json, snapshot, train
from tests.videos_for_tests import strmctl

CHANGES = {"TRM": ("method=trm",), "STRM": ()}


@pytest.fixture(autouse=True)
def no_counting(monkeypatch):
    monkeypatch.setattr(report_models, "cost_table", lambda *args, **sizes: cost())


@pytest.fixture
def no_drawing(monkeypatch):
    monkeypatch.setattr(draw, "charts", lambda document: {})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder of runs with a grid of two labels, two seeds each; tests read it."""
    runs = tmp_path_factory.mktemp("report") / "runs"
    cells = [(label, recipe_of(*words, seed=seed)) for label, words in CHANGES.items() for seed in (0, 1)]
    grid = grid_of(cells, kind="components")
    grid.write(runs)
    for place, cell in enumerate(grid.cells):
        write_cell(runs, cell, grid, 0.4 + 0.1 * place, answers=place)
    return runs


def report(runs, out, *words):
    return strmctl("report", *words, "--runs", runs, "--out", out)


def test_a_report_is_written_its_findings_are_printed_and_other_files_stay(finished, tmp_path):
    before, out = snapshot(finished), tmp_path / "new" / "out"
    (out / "old").mkdir(parents=True)
    (out / "README.md").write_text("mine")
    ran = report(finished, out)
    assert ran.code == 0, ran.err
    names = {path.name for path in out.iterdir()} - {"README.md", "old"}
    assert {"index.html", "report.md", "report.json", "findings.csv", "components.tex", "confusion.csv"} <= names
    assert not {"table1.csv", "published.csv"} & names  # no run is on a data set of a paper
    assert {"components.png", "components.svg", "cost.png", "cost_flops.csv", "confusion_1.svg"} <= names
    assert str(out / "index.html") in ran.err and f"{len(names) - 1} more files" in ran.err
    assert ran.out.startswith("Findings\n") and "TRM < STRM" in ran.out and "A claim holds if" in ran.out
    document = from_json(json.loads((out / "report.json").read_text(encoding="utf-8")))
    assert set(document.components) == {"TRM", "STRM"} and document.components["TRM"][5].seeds == [0, 1]
    first = snapshot(out)
    assert report(finished, out).code == 0
    assert snapshot(out) == first and first["README.md"] == b"mine" and snapshot(finished) == before


def test_runs_can_be_named_beside_grids(finished, tmp_path, no_drawing):
    ran = report(finished, tmp_path, "strm-s1", "strm-s0", "sprites-components", "--json")
    assert ran.code == 0, ran.err
    assert ran.json() == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (run,) = ran.json()["runs"]
    assert run["run"] == "strm-s0, strm-s1" and run["shots"] == ran.json()["components"]["STRM"]
    assert "Runs" in (tmp_path / "report.md").read_text() and (tmp_path / "runs.csv").is_file()


def test_a_run_alone_is_a_report(finished, tmp_path, no_drawing):
    ran = report(finished, tmp_path, "strm-s0")
    assert ran.code == 0 and ran.out.startswith("Runs\n") and "Findings" not in ran.out  # it settles no claim
    assert (tmp_path / "runs.csv").is_file() and not (tmp_path / "components.csv").exists()


def test_a_grid_that_is_not_finished_is_reported_as_far_as_it_is(finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    for done, names in (("2 of 4 runs", ("strm-s0", "strm-s1")), ("0 of 4 runs", ("trm-s0", "trm-s1"))):
        for run in names:
            (runs / run / "train.csv").unlink()
        ran = report(runs, tmp_path / done)
        assert ran.code == 0 and f"{done} have a result" in (tmp_path / done / "report.md").read_text()
        assert (tmp_path / done / "components.png").exists() == (done[0] == "2")
        assert (tmp_path / done / "index.html").is_file()


def test_no_grid_yet(tmp_path):
    refused(report(tmp_path / "nowhere", tmp_path / "out"), 3, "no grid yet in", "strmctl ablate components")
    assert not (tmp_path / "out").exists()
    refused_in_json(report(tmp_path, tmp_path / "out", "--json"), 3, "no grid yet", "strmctl ablate")


def test_names_that_cannot_be_reported(finished, tmp_path, no_drawing):
    out, runs = tmp_path / "out", tmp_path / "runs"
    ran = report(finished, out, "sprites-shots")
    refused(ran, 3, "no grid and no run named 'sprites-shots'", "grids here: sprites-components", "strm-s0")
    shutil.copytree(finished, runs)
    write_run(runs, "untested", recipe_of())
    refused(report(runs, out, "untested"), 3, "run untested has no result", "strmctl eval --run untested")
    grid_of([("STRM", recipe_of())], name="mine").write(runs)
    refused(report(runs, out), 2, "mine and sprites-components are both grids of components", "name the")
    assert not out.exists() and report(runs, out, "sprites-components").code == 0


def test_a_damaged_grid_and_damaged_rows(finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    table = runs / "strm-s1/eval/test_5way_1q_s0_n40.csv"
    table.write_text(table.read_text()[:500])
    refused(report(runs, tmp_path / "out"), 3, table, "again")
    (runs / "sprites-components/grid.json").write_text("[]")
    refused(report(runs, tmp_path / "out"), 3, "grid.json is damaged", "strmctl ablate")


def test_a_file_in_place_of_the_folder(finished, tmp_path):
    (tmp_path / "out").write_text("mine")
    refused(report(finished, tmp_path / "out"), 2, f"{tmp_path / 'out'}", "is a file")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_that_cannot_be_written_to(finished, tmp_path, monkeypatch, no_drawing):
    def refuse(path, text):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(write, "write_text", refuse)
    ran = report(finished, tmp_path)
    assert ran.out.startswith("Findings\n") and "A claim holds if" in ran.out  # the numbers come first
    refused(ran._replace(out=""), 1, "Permission denied", "index.html", "name a folder that can be written to")
    refused_in_json(report(finished, tmp_path, "--json"), 1, "Permission denied")


def of_small_world(runs, data, out, *words):
    return report(runs, out, "sprites", "--data", data, *words)


def test_attention_is_drawn_of_two_test_clips_where_their_frames_are(data, runs, tmp_path, no_drawing):
    ran = of_small_world(runs, data, tmp_path / "out")
    assert ran.code == 0 and "note:" not in ran.err and "warning:" not in ran.err, ran.err
    shown = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["attention"]
    assert {name: one["clip"] for name, one in shown.items()} == {"attention_1": "crawl/0", "attention_2": "walk/0"}
    assert all(one["run"] == "sprites" and one["store"] == "mine" for one in shown.values())
    page, text = ((tmp_path / "out" / name).read_text(encoding="utf-8") for name in ("index.html", "report.md"))
    assert 'id="attention"' in page and "![Figure: Attention 2;" in text
    for name in shown:
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG") and f"({name}.png)" in text


@pytest.mark.parametrize("words", [(), ("--no-attention",)])
def test_a_report_without_the_frames_has_all_but_attention_and_says_how_to_get_them(
    data, runs, tmp_path, words, no_drawing
):
    where = data if words else tmp_path / "empty"
    ran = of_small_world(runs, where, tmp_path / "out", *words)
    assert ran.code == 0 and ("note: no pictures of attention: the frame store" in ran.err) == (not words), ran.err
    assert words or "`strmctl prepare" in ran.err
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "## Confusion" in text and "## Attention" not in text and not list((tmp_path / "out").glob("attention*"))


def test_a_report_is_there_before_attention_is_drawn(data, runs, tmp_path, monkeypatch, no_drawing):
    def killed(*words):
        raise SystemExit(9)

    monkeypatch.setattr(report_maps, "report_maps", killed)
    assert of_small_world(runs, data, tmp_path / "out").code == 9
    assert from_json(json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))).runs
    assert "## Confusion" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_models_that_take_other_frames_are_left_out_of_a_picture(data, runs, tmp_path, no_drawing):
    for name, change in (("other", "trm.dropout=0.5"), ("fewer", "input.frames=4")):
        assert train(data, runs, "--recipe", "sprites", "--name", name, changes=(change,)).code == 0
        assert evaluate(data, runs, "--run", name).code == 0
    ran = report(runs, tmp_path / "out", "sprites", "fewer", "other", "--data", data)
    assert ran.code == 0, ran.err
    shown = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["attention"]
    assert [[one["run"] for one in each["runs"]] for each in shown.values()] == [["sprites", "other"]] * 2
