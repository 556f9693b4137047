"""`strmctl runs`: one row for each run, whatever state it is in."""

import os

import pytest

from strmctl.paths import write_json, write_text
from strmctl.provenance import sha256_of
from strmctl.recipe import load_recipe
from strmctl.runs.folder import point_latest
from tests.saved import save
from tests.small_world import refused, refused_in_json
from tests.videos_for_tests import strmctl

VALIDATION = {"shot": 1, "accuracy": 0.66, "ci95": 0.012, "episodes": 200, "queries": 1000}


def make_run(runs, name, *, seconds, weights=b"", episodes=(), info=None, **changes):
    """A run folder whose files were written at this time; without weights there are none."""
    folder = runs / name
    text = load_recipe("sprites", [f"{key}={value}" for key, value in changes.items()]).to_yaml()
    write_text(folder / "recipe.yaml", text)
    if episodes:
        write_text(folder / "train.csv", "episode,loss\n" + "".join(f"{number},0.5\n" for number in episodes))
    if weights:
        (folder / "weights.pt").write_bytes(weights)
        write_json(folder / "weights.json", info)
    for path in folder.iterdir():
        os.utime(path, (seconds, seconds))
    return folder


@pytest.fixture
def runs(tmp_path):
    """Runs of every kind, and what is none: a grid, a hidden folder, a file, a link to nowhere."""
    runs = tmp_path / "runs"
    save(runs, "done", 0.7, weights_sha256="0" * 64, stem="test_5way_1q_s1")  # of earlier weights
    save(runs, "done", 0.5, weights_sha256="0" * 64, stem="test_5way_1q_s0_weights-00000000")
    info = {"training_episodes": 800, "validation": VALIDATION}
    done = make_run(runs, "done", seconds=1_700_000_000, weights=b"abc", episodes=(999, 1000), info=info)
    sha256 = sha256_of(done / "weights.pt")
    save(runs, "done", 1, weights_sha256=sha256, shots=(1, 5))
    save(runs, "done", 0, weights_sha256=sha256, shots=(1,), stem="val_5way_1q_s0")
    make_run(runs, "done", seconds=1_700_000_000)  # `save` writes a recipe of its own
    (done / "eval" / "damaged.json").write_text("{")
    begun = make_run(runs, "begun", seconds=1_700_200_000, episodes=(1, 2), method="otam")
    with (begun / "train.csv").open("a") as log:
        log.write("3")  # cut short by a kill, and a longer number perhaps
    imported = {"imported_from": "a.pt", "training_episodes": None}
    make_run(runs, "theirs", seconds=1_700_100_000, weights=b"x", info=imported, **{"data.dataset": "ssv2"})
    point_latest(runs, begun)
    write_json(runs / "grid" / "grid.json", {})
    write_text(runs / ".part" / "recipe.yaml", "")
    write_text(runs / "notes.txt", "")
    (runs / "gone").symlink_to(runs / "nowhere")
    return runs


def test_every_kind_of_run_has_its_row(runs):
    ran = strmctl("runs", "--runs", runs)
    assert ran.code == 3 and "damaged.json is damaged" in ran.err and len(ran.err.splitlines()) == 1
    lines = [" ".join(line.split()) for line in ran.out.splitlines() if "──" not in line]
    begun, theirs, *done = lines[lines.index("run method data set training episodes validation, % tests, % date") + 1 :]
    assert begun == "begun (latest) otam sprites 2 of 1000 – no weights yet 2023-11-17"
    assert theirs == "theirs strm ssv2 imported, unknown – – 2023-11-16"
    assert done[:2] == ["done strm sprites 1000 1-shot 66.0 ± 1.2 1-shot 100.0 ± 0.0 2023-11-14", "5-shot 100.0 ± 0.0"]
    assert " ".join(done[2:]).strip() == "1-shot 0.0 ± 0.0 (val_5way_1q_s0)"


def test_results_count_where_the_weights_stayed_on_another_machine(tmp_path):
    runs = tmp_path / "runs"
    save(runs, "fetched", 1, weights_sha256="0" * 64, weights_file="weights.pt")
    save(
        runs, "fetched", 0, weights_sha256="1" * 64, weights_file="/elsewhere/w.pt", stem="test_5way_1q_s0_weights-1111"
    )
    info = {"training_episodes": 800, "validation": VALIDATION}
    folder = make_run(runs, "fetched", seconds=1_700_000_000, weights=b"abc", episodes=(999, 1000), info=info)
    (folder / "weights.pt").unlink()
    (row,) = strmctl("runs", "--runs", runs, "--json").json()["runs"]
    assert [(test["test"], test["accuracy"]) for test in row["tests"]] == [("test_5way_1q_s0", 1)] * 2
    assert row["weights"] is False and row["validation"]["accuracy"] == 0.66


def test_the_same_as_json(runs):
    rows = {row["name"]: row for row in strmctl("runs", "--runs", runs, "--json").json()["runs"]}
    assert list(rows) == ["begun", "theirs", "done"]
    done = rows["done"]
    assert done["validation"] == {"shot": 1, "accuracy": 0.66, "ci95": 0.012, "test": ""}
    tests = [(test["test"], test["shot"]) for test in done["tests"]]
    assert tests == [("test_5way_1q_s0", 1), ("test_5way_1q_s0", 5), ("val_5way_1q_s0", 1)]
    assert (done["changed"], done["trained_episodes"]) == ("2023-11-14T22:13:20+00:00", 1000)
    assert [row["latest"] for row in rows.values()] == [True, False, False]
    assert [row["imported"] for row in rows.values()] == [False, True, False]


def spoil(runs):
    """Three folders that cannot be read: no recipe, a recipe of another version, notes that are no JSON."""
    for name in ("no-recipe", "old", "odd"):
        folder = make_run(runs, name, seconds=0, weights=b"x", info={})
    (runs / "no-recipe" / "recipe.yaml").unlink()
    write_text(runs / "old" / "recipe.yaml", "name: old\n")
    write_text(folder / "weights.json", "{")
    return runs


PROBLEMS = ("no-recipe", "recipe.yaml is missing", "is invalid", "odd", "weights.json is damaged")


def test_a_damaged_run_is_named_and_hides_no_other(runs):
    ran = strmctl("runs", "--runs", spoil(runs))
    assert ran.code == 3 and "begun (latest)" in ran.out and "no-recipe" not in ran.out
    assert all(part in ran.err for part in PROBLEMS)
    rows = strmctl("runs", "--runs", runs, "--json").json()["runs"]
    assert [bool(row["problem"]) for row in rows] == [False, False, False, True, True, True]


def test_no_run_or_none_that_can_be_read(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        refused_in_json(strmctl("runs", "--json", "--runs", folder), 3, "no run yet", "strmctl demo")
    refused(strmctl("runs", "--runs", spoil(tmp_path)), 3, "can be read", *PROBLEMS)
