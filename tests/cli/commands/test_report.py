"""`strmctl report` as a person types it: what it writes, says and refuses."""

import json
import re
import shutil

import pytest

from strmctl.ablation import cost
from strmctl.ablation import report_document as collect
from tests.cli.small import refused, refused_in_json, snapshot
from tests.report.saved_grid import grid_of, recipe_of, write_cell, write_run
from tests.videos_for_tests import strmctl

CHANGES = {"TRM": ("method=trm",), "STRM": ()}


@pytest.fixture(scope="module")
def counted():
    return cost.cost_table()


@pytest.fixture(autouse=True)
def counts_once(counted, monkeypatch):
    monkeypatch.setattr(collect, "cost_table", lambda: counted)


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


def test_a_report_is_written_and_its_findings_are_printed(finished, tmp_path):
    before = snapshot(finished)
    ran = report(finished, tmp_path / "new" / "out")
    assert ran.code == 0, ran.err
    out = tmp_path / "new" / "out"
    names = {path.name for path in out.iterdir()}
    assert {"index.html", "report.md", "report.json", "components.csv", "components.tex", "table1.csv"} <= names
    assert {"components.png", "components.svg", "cost.png", "cost_flops.csv"} <= names
    assert str(out / "index.html") in ran.err and f"{len(names) - 1} more files" in ran.err
    lines = ran.out.splitlines()
    assert lines and all(line.startswith("- ") for line in lines) and any("STRM - TRM" in line for line in lines)
    document = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert set(document["components"]) == {"TRM", "STRM"} and document["components"]["TRM"]["5"]["seeds"] == [0, 1]
    assert {"accuracy", "ci95", "seeds", "per_seed", "episodes"} <= set(document["components"]["STRM"]["1"])
    assert all(line[2:] in " ".join((out / "report.md").read_text().replace("\\", "").split()) for line in lines)
    assert snapshot(finished) == before


def test_the_document_with_json_is_the_one_that_is_written(finished, tmp_path):
    ran = report(finished, tmp_path, "sprites-components", "--json")
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert ran.code == 0 and ran.json() == written and "index.html" in ran.err


def test_other_files_of_the_folder_stay(finished, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "old").mkdir()
    assert report(finished, tmp_path).code == 0
    first = snapshot(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine" and (tmp_path / "old").is_dir()
    assert report(finished, tmp_path).code == 0
    assert snapshot(tmp_path) == first


def test_the_page_opens_without_a_network(finished, tmp_path):
    assert report(finished, tmp_path).code == 0
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert not re.search(r"https?://|//cdn|@import|url\(|<link|<script|<iframe", page)
    assert "default-src 'none'" in page and page.count("<img ") == 2


def test_runs_can_be_named_beside_grids(finished, tmp_path):
    ran = report(finished, tmp_path, "strm-s1", "strm-s0", "sprites-components", "--json")
    assert ran.code == 0, ran.err
    (run,) = ran.json()["runs"]
    assert run["run"] == "strm-s0, strm-s1" and run["shots"] == ran.json()["components"]["STRM"]
    assert "Runs" in (tmp_path / "report.md").read_text() and (tmp_path / "runs.csv").is_file()


def test_a_run_alone_is_a_report(finished, tmp_path):
    ran = report(finished, tmp_path, "strm-s0")
    assert ran.code == 0 and "No run here stands beside Table 1" in ran.out
    assert (tmp_path / "runs.csv").is_file() and not (tmp_path / "components.csv").exists()


def test_a_grid_that_is_not_finished_is_reported_as_far_as_it_is(finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    for run in ("strm-s0", "strm-s1"):
        (runs / run / "weights.pt").unlink()
    ran = report(runs, tmp_path / "out")
    assert ran.code == 0 and "components: 2 of 4" in ran.out
    for path in runs.glob("*/weights.pt"):
        path.unlink()
    ran = report(runs, tmp_path / "none")
    assert ran.code == 0 and "components: 4 of 4" in ran.out
    assert not (tmp_path / "none/components.png").exists() and (tmp_path / "none/index.html").is_file()


def test_no_grid_yet(tmp_path):
    refused(report(tmp_path / "nowhere", tmp_path / "out"), 3, "no grid yet in", "strmctl ablate components")
    assert not (tmp_path / "out").exists()
    refused_in_json(report(tmp_path, tmp_path / "out", "--json"), 3, "no grid yet", "strmctl ablate")


def test_an_unknown_name(finished, tmp_path):
    ran = report(finished, tmp_path / "out", "sprites-shots")
    refused(ran, 3, "no grid and no run named 'sprites-shots'", "grids here: sprites-components", "strm-s0")
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_result(finished, tmp_path):
    runs = tmp_path / "runs"
    write_run(runs, "mine", recipe_of())
    refused(report(runs, tmp_path / "out", "mine"), 3, "run mine has no result", "strmctl eval --run mine")


def test_two_grids_of_one_kind(finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    grid_of([("STRM", recipe_of())], name="mine").write(runs)
    refused(report(runs, tmp_path / "out"), 2, "mine and sprites-components are both grids of components", "name the")
    assert report(runs, tmp_path / "out", "sprites-components").code == 0


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
    ran = report(finished, tmp_path / "out")
    refused(ran, 2, f"{tmp_path / 'out'}", "is a file")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_that_cannot_be_written_to(finished, tmp_path, monkeypatch):
    from strmctl.report.pages import write as report_files

    def refuse(path, text):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(report_files, "write_text", refuse)
    refused(report(finished, tmp_path), 1, "Permission denied", "index.html", "name a folder that can be written to")
