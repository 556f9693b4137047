"""Grids of tiny runs: what is done, what is not done again, and what becomes of a cell that fails."""

import csv
import shutil
from dataclasses import replace

import pytest
import torch

from strmctl.ablation import cells as grids
from strmctl.ablation import run_grid as ablate
from strmctl.ablation.cells import Base, Cell
from strmctl.ablation.grid_file import Grid, finished_result, result_path
from strmctl.errors import StrmctlError, UsageError
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.run import evaluate_run
from strmctl.frames.store.store import FrameStore
from strmctl.model.tuples import Tuples
from strmctl.model.weight_files import read_tensors
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import save_weights
from strmctl.runs.notes import read_notes
from strmctl.training import train as training
from strmctl.training.in_training import RunInTraining
from tests.small_world import SMALL, snapshot

pytestmark = pytest.mark.slow

TEST = Protocol(way=2, shots=(1, 2), episodes=20)
WORDS = (*SMALL, "data.dataset=mine")
BASE = Base("sprites", WORDS)


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def grid(cells, protocol=TEST, kind="custom"):
    return Grid(kind, "g", cells, protocol, {}, {})


def tasks_of(data, runs, *planned):
    return ablate.open_tasks(planned, runs, data, "cpu")


def go(data, runs, *planned):
    """Runs grids in this process; returns what was announced and the progress."""
    said, reports = [], []
    tasks = tasks_of(data, runs, *planned)
    ablate.run_tasks(tasks, progress=lambda *report: reports.append(report), announce=said.append)
    return said, reports


def stamped(folder):
    """Every file with its content and the time when it was written."""
    return {name: (content, (folder / name).lstat().st_mtime_ns) for name, content in snapshot(folder).items()}


def kinds(tasks):
    return [(task.run, "test" if task.cells else "train") for task in tasks]


STRM = grids.components(BASE)[-1]


def test_cells_see_the_same_training_and_test_episodes(data, runs, monkeypatch):
    seen, backward = [], training.backward

    def recorded(recipe, model, episode, pixels, classes):
        seen.append((episode.index, episode.support, episode.query, [part.float().mean().item() for part in pixels]))
        return backward(recipe, model, episode, pixels, classes)

    monkeypatch.setattr(training, "backward", recorded)
    cells = [*grids.components(BASE), *grids.shots(BASE, ("trx", "otam"))]
    go(data, runs, grid(cells))
    assert len(seen) == 2 * len(cells)
    assert all(seen[n : n + 2] == seen[:2] for n in range(0, len(seen), 2)), "clips and crops are those of the seed"
    results = [finished_result(runs, cell, TEST) for cell in cells]
    digests = [result.provenance["episodes_sha256"] for result in results]
    assert digests[0].keys() == {"1", "2"} and all(one == digests[0] for one in digests)
    asked = [
        [(row["shot"], row["episode"], row["query"], row["true"]) for row in rows_of(runs, cell)] for cell in cells
    ]
    assert all(one == asked[0] for one in asked) and len(asked[0]) == 2 * 20 * 2


def rows_of(runs, cell, protocol=TEST):
    with result_path(runs, cell, protocol).with_suffix(".csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_finished_grid_is_left_alone(data, runs):
    planned = grid(grids.components(BASE)[::4])
    assert kinds(tasks_of(data, runs, planned)) == [
        *(("sprites-trm-s0", "train"), ("sprites-trm-s0", "test")),
        *(("sprites-strm-s0", "train"), ("sprites-strm-s0", "test")),
    ]
    assert not runs.exists(), "planning writes nothing"
    (runs / "other").mkdir(parents=True)
    (runs / "latest").symlink_to("other")
    go(data, runs, planned)
    before = stamped(runs)
    assert tasks_of(data, runs, planned) == []
    assert go(data, runs, planned) == ([], [])
    assert stamped(runs) == before
    assert (runs / "latest").readlink().name == "other"


def test_grids_share_runs_and_their_shots_are_one_test(data, runs):
    few, many = replace(TEST, shots=(1,)), replace(TEST, shots=(1, 2))
    planned = grid(grids.components(BASE)[::4], few), grid(grids.shots(BASE, ("strm", "trm")), many)
    tasks = tasks_of(data, runs, *planned)
    assert len(tasks) == 4 and all(task.protocol.shots == (1, 2) for task in tasks if task.cells)
    _, reports = go(data, runs, *planned)
    assert reports[-1][:2] == (6, 6) and all(0 <= done <= 6 for done, _, _ in reports)
    assert tasks_of(data, runs, *planned) == []


def test_a_result_of_fewer_shots_is_redone_and_one_of_more_is_taken(data, runs):
    go(data, runs, grid([STRM], replace(TEST, shots=(1,))))
    weights = stamped(runs)["sprites-strm-s0/weights.pt"]
    more = grid([STRM], replace(TEST, shots=(1, 2)))
    assert kinds(tasks_of(data, runs, more)) == [("sprites-strm-s0", "test")]
    go(data, runs, more)
    assert stamped(runs)["sprites-strm-s0/weights.pt"] == weights
    for numbers in ((1,), (2,), (1, 2)):
        assert tasks_of(data, runs, grid([STRM], replace(TEST, shots=numbers))) == []


def test_without_its_weights_a_run_is_trained_and_tested_again(data, runs):
    planned = grid([STRM])
    go(data, runs, planned)
    (runs / STRM.run / "weights.pt").unlink()
    assert kinds(tasks_of(data, runs, planned)) == [(STRM.run, "train"), (STRM.run, "test")]


def test_other_weights_are_tested_again(data, runs):
    planned = grid([STRM])
    go(data, runs, planned)
    path = runs / STRM.run / "weights.pt"
    state = read_tensors(path)
    save_weights(path, {name: tensor * 1.5 for name, tensor in state.items()}, read_notes(path))
    assert kinds(tasks_of(data, runs, planned)) == [(STRM.run, "test")]
    go(data, runs, planned)
    assert tasks_of(data, runs, planned) == []


def changed_frames(data, folder):
    """A copy of the frames without one training clip."""
    shutil.copytree(data, folder)
    manifest = folder / "mine" / "manifest.csv"
    manifest.write_text("".join(line for line in manifest.open() if not line.startswith("hop/0,")))
    own, copy = (FrameStore.open(place, "mine").manifest_sha256 for place in (data, folder))
    assert own != copy
    return folder


def test_changed_frames_are_tested_again(data, runs, tmp_path):
    planned = grid([STRM, replace(STRM, fraction=0.5)])
    go(data, runs, planned)
    weights = stamped(runs)["sprites-strm-s0/weights.pt"]
    other = changed_frames(data, tmp_path / "other")
    assert kinds(tasks_of(other, runs, planned)) == [(STRM.run, "test"), (STRM.run, "test")]
    go(other, runs, planned)
    assert tasks_of(other, runs, planned) == [] and len(tasks_of(data, runs, planned)) == 2
    assert stamped(runs)["sprites-strm-s0/weights.pt"] == weights


def test_a_killed_training_does_not_go_on_with_other_frames(data, runs, tmp_path, monkeypatch):
    validate = RunInTraining.validate
    with monkeypatch.context() as patch:  # the second validation stands for a kill
        patch.setattr(RunInTraining, "validate", lambda run, *more: 1 / (2 - run.done) and validate(run, *more))
        with pytest.raises(ZeroDivisionError):
            go(data, runs, grid([STRM]))
    assert read_tensors(runs / STRM.run / "state.pt")["done"] == 1
    before = snapshot(runs)
    with pytest.raises(UsageError, match=r"the training of sprites-strm-s0 failed: the frame store mine has changed"):
        go(changed_frames(data, tmp_path / "other"), runs, grid([STRM]))
    assert before.items() <= snapshot(runs).items()


@pytest.mark.parametrize("trained", [True, False])
def test_a_run_of_another_recipe_is_refused(data, runs, trained):
    go(data, runs, grid([STRM]))
    if not trained:
        (runs / STRM.run / "weights.pt").unlink()
    before = stamped(runs)
    other = grids.components(Base("sprites", (*WORDS, "trm.dropout=0.3")))[-1]
    assert other.run == STRM.run
    with pytest.raises(UsageError, match=r"there is a run sprites-strm-s0 .* of another recipe"):
        go(data, runs, grid([other]))
    with pytest.raises(UsageError, match="two cells with different recipes have the name sprites-strm-s0"):
        tasks_of(data, runs, grid([STRM, other]))
    assert stamped(runs) == before


def test_what_stands_where_a_run_should_be(data, runs):
    (runs / STRM.run).mkdir(parents=True)
    assert len(tasks_of(data, runs, grid([STRM]))) == 2, "a kill may have left a folder without its recipe"
    (runs / STRM.run).rmdir()
    (runs / STRM.run).write_text("a file")
    with pytest.raises(UsageError, match="there is a run sprites-strm-s0"):
        tasks_of(data, runs, grid([STRM]))


@pytest.mark.parametrize(
    ("changes", "kind", "part"),
    [
        (("train.way=20",), UsageError, "20-way episodes need 20 classes"),
        (("train.learning_rate=1e30", "train.episodes=4"), StrmctlError, "at training episode 1"),
    ],
)
def test_a_cell_that_fails_does_not_keep_the_others_from_their_end(data, runs, changes, kind, part):
    recipe = load_recipe("sprites", (*WORDS, *changes))
    bad = Cell("bad", "sprites-bad-s0", recipe)
    worse = replace(bad, run="sprites-worse-s0")
    said = []
    with pytest.raises(kind, match=part) as caught:
        ablate.run_tasks(tasks_of(data, runs, grid([bad, worse, STRM])), announce=said.append)
    assert caught.value.message.startswith("the training of sprites-bad-s0 failed (2 runs failed): ")
    assert caught.value.hint.endswith("the same command does what is missing")
    assert [line for line in said if "sprites-worse-s0" in line and "failed" in line]
    assert finished_result(runs, STRM, TEST) is not None
    assert finished_result(runs, bad, TEST) is None
    assert {run for run, _ in kinds(tasks_of(data, runs, grid([bad, worse, STRM])))} == {bad.run, worse.run}


def test_an_error_that_nobody_expects_is_not_swallowed(data, runs, monkeypatch):
    monkeypatch.setattr(ablate, "evaluate_run", lambda *args, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        go(data, runs, grid([STRM]))


@pytest.fixture
def kept(monkeypatch):
    """The tuples of TRM and QC in each test: (run, cardinality -> tuples of each layer)."""
    seen = []

    def recorded(run, *args, **kwargs):
        seen.append((run.name, tuples_of(run.model)))
        return evaluate_run(run, *args, **kwargs)

    monkeypatch.setattr(ablate, "evaluate_run", recorded)
    return seen


def tuples_of(model):
    found = {}
    for name, layer in model.named_modules():
        if isinstance(layer, Tuples):
            found.setdefault(layer.cardinality, []).append((name, layer.indices.tolist()))
    return found


def test_tuples_are_a_subset_of_each_trial_the_same_for_trm_and_qc(data, runs, kept):
    base = Base("sprites", (*WORDS, "trm.cardinalities=[2, 3]"))
    cells = grids.tuples(base, (0.1, 0.5, 1.0), 3)
    go(data, runs, grid(cells, kind="tuples"))
    assert len(kept) == len(cells) == 8
    of_trial = {}
    for cell, (run, layers) in zip(cells, kept, strict=True):
        assert run == cell.run
        for way, found in layers.items():
            names, subsets = zip(*found, strict=True)
            users = ("temporal_relations", "query_class") if cell.label.startswith("STRM") else ("temporal_relations",)
            assert len(names) == 1 or all(any(user in name for name in names) for user in users), names
            assert all(subset == subsets[0] for subset in subsets), "TRM and QC alike"
            every = {2: 28, 3: 56}[way]
            assert len(subsets[0]) == len(set(map(tuple, subsets[0]))) == max(1, round(cell.fraction * every))
            of_trial[cell.label, cell.fraction, cell.trial, way] = subsets[0]
        notes = finished_result(runs, cell, TEST).provenance["tuples"]
        assert (notes["fraction"], notes["trial"]) == (cell.fraction, cell.trial)
        assert notes["kept"] == {str(way): len(found[0][1]) for way, found in layers.items()}
    subsets = [of_trial["STRM {2,3}", 0.5, trial, 2] for trial in range(3)]
    assert subsets[0] != subsets[1] != subsets[2] != subsets[0]


def test_shares_change_the_answers_and_all_of_the_tuples_do_not(data, runs):
    cells = [STRM, *grids.tuples(BASE, (0.1, 1.0), 6)[:-1]]
    many = replace(TEST, episodes=60, shots=(1,))
    go(data, runs, grid(cells, many))
    plain, *shares, whole = [rows_of(runs, cell, many) for cell in cells]
    assert whole == plain
    assert len({str(rows) for rows in shares}) > 1 and any(rows != plain for rows in shares)
    go(data, runs.parent / "again", grid(cells, many))
    assert [rows_of(runs.parent / "again", cell, many) for cell in cells] == [plain, *shares, whole]


def test_retrained_shares_are_tested_with_the_tuples_they_were_trained_with(data, runs, kept):
    cells = grids.tuples(BASE, (0.2, 1.0), 2, retrain=True)[:-1]
    go(data, runs, grid(cells))
    for cell, (run, layers) in zip(cells, kept, strict=True):
        recipe = load_recipe(runs / cell.run / "recipe.yaml")
        trial = cell.trial if cell.fraction < 1 else 0
        assert (recipe.trm.tuple_fraction, recipe.trm.tuple_trial) == (cell.fraction, trial)
        assert run == cell.run and layers == tuples_of(build_model(recipe, pretrained=False))
    weights = [read_tensors(runs / cell.run / "weights.pt") for cell in cells[:2]]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0]), "trained with other tuples"
