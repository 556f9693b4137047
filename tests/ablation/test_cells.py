"""What each grid compares: labels, names of runs, and what differs from the recipe that it varies, and nothing else."""

import json

import pytest

from strmctl.ablation import cells as grids
from strmctl.ablation.cells import Base
from strmctl.errors import UsageError
from strmctl.runs.build import build_model

BASE = Base("sprites")
PARTS = ("patch_enrichment.enabled", "frame_enrichment.enabled", "query_class.enabled")


def flat(values, prefix=""):
    """A nested dict with dotted keys."""
    found = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def changes(cell, base=BASE):
    """The recipe keys in which a cell is not its base, with the cell's values."""
    own = flat(base.load().model_dump())
    return {key: value for key, value in flat(cell.recipe.model_dump()).items() if own.get(key) != value}


def off(*keys):
    return dict.fromkeys(keys, False)


def shown(cells, base=BASE):
    return [(cell.label, cell.run, changes(cell, base)) for cell in cells]


def test_components_add_one_part_after_the_other():
    assert shown(grids.components(BASE)) == [
        ("TRM", "sprites-trm-s0", {"method": "trm", **off(*PARTS)}),
        ("TRM+PLE", "sprites-trm-ple-s0", off("frame_enrichment.enabled", "query_class.enabled")),
        ("TRM+FLE", "sprites-trm-fle-s0", off("patch_enrichment.enabled", "query_class.enabled")),
        ("TRM+PLE+FLE", "sprites-trm-ple-fle-s0", off("query_class.enabled")),
        ("STRM", "sprites-strm-s0", {}),
    ]


def test_components_of_other_tuples_are_all_of_these_tuples():
    base = Base("sprites", ("trm.cardinalities=[2, 3]",), name="x")
    cells = grids.components(base)
    assert all(cell.recipe.trm.cardinalities == [2, 3] and cell.recipe.method == "strm" for cell in cells)
    assert shown(cells, base)[0] == ("TRM", "x-trm-s0", off(*PARTS))


def test_cardinality_changes_the_tuples_alone():
    cells = grids.cardinality(BASE)
    assert [cell.label for cell in cells] == ["1", "2", "3", "4", "2,3", "2,4", "3,4", "2,3,4"]
    for cell in cells:
        ways = [int(way) for way in cell.label.split(",")]
        expected = {} if ways == [2] else {"trm.cardinalities": ways}
        assert changes(cell) == expected
        slug = "strm" if ways == [2] else f"strm-w{''.join(map(str, ways))}"
        assert cell.run == f"sprites-{slug}-s0"


def test_tuples_tests_one_run_with_every_share():
    cells = grids.tuples(BASE, (1.0, 0.5, 0.2, 0.5), 3)
    strm, trx = cells[:-1], cells[-1]
    assert [(cell.fraction, cell.trial) for cell in strm] == [*((f, t) for f in (0.2, 0.5) for t in range(3)), (1, 0)]
    assert {(cell.label, cell.run, json.dumps(changes(cell))) for cell in strm} == {
        ("STRM {2}", "sprites-strm-s0", "{}"),
    }
    assert (trx.label, trx.run, trx.fraction, trx.trial) == ("TRX {2,3}", "sprites-trx-s0", 1.0, 0)
    assert changes(trx) == {"method": "trx", "trm.cardinalities": [2, 3], **off(*PARTS)}


def test_tuples_retrained_are_trained_with_the_share_they_are_tested_with():
    cells = grids.tuples(BASE, (0.2, 1.0), 2, retrain=True)
    assert [(cell.run, cell.fraction, cell.trial) for cell in cells] == [
        ("sprites-strm-f0.2-t0-s0", 0.2, 0),
        ("sprites-strm-f0.2-t1-s0", 0.2, 1),
        ("sprites-strm-s0", 1.0, 0),
        ("sprites-trx-s0", 1.0, 0),
    ]
    assert changes(cells[0]) == {"trm.tuple_fraction": 0.2}
    assert changes(cells[1]) == {"trm.tuple_fraction": 0.2, "trm.tuple_trial": 1}
    assert changes(cells[2]) == {}


def test_shots_and_training():
    methods = [(cell.label, cell.run, cell.recipe.method) for cell in grids.shots(BASE, ("trm", "otam", "strm", "trm"))]
    assert methods == [
        ("TRM", "sprites-trm-s0", "trm"),
        ("OTAM", "sprites-otam-s0", "otam"),
        ("STRM", "sprites-strm-s0", "strm"),
    ]
    longer = grids.training(BASE, (4, 1, 4), ("strm",))
    assert shown(longer) == [
        ("STRM", "sprites-strm-s0", {}),
        ("STRM", "sprites-strm-x4-s0", {"train.episodes": 4 * BASE.load().train.episodes}),
    ]


@pytest.mark.parametrize("assignments", [(), ("train.way=3", "train.episodes=7"), ("trm.dropout=0",)])
def test_grids_share_runs(assignments):
    """STRM, {2}, the tuples' model and that of the curve over shots are one run; so are all TRM."""
    base = Base("sprites", assignments, name="mine", seeds=(4,))
    cells = {
        "components": {cell.label: cell for cell in grids.components(base)},
        "cardinality": {cell.label: cell for cell in grids.cardinality(base)},
        "shots": {cell.label: cell for cell in grids.shots(base, ("trm", "strm", "trx"))},
        "training": {cell.label: cell for cell in grids.training(base, (1,), ("trm", "strm"))},
        "tuples": {cell.label: cell for cell in grids.tuples(base, (0.5,), 1)},
    }
    strm = [cells["components"]["STRM"], cells["cardinality"]["2"], cells["shots"]["STRM"], cells["training"]["STRM"]]
    strm.append(cells["tuples"]["STRM {2}"])
    assert {cell.run for cell in strm} == {"mine-strm-s4"}
    assert all(cell.recipe == strm[0].recipe for cell in strm)
    trm = [cells[kind]["TRM"] for kind in ("components", "shots", "training")]
    assert {cell.run for cell in trm} == {"mine-trm-s4"} and all(cell.recipe == trm[0].recipe for cell in trm)
    assert cells["tuples"]["TRX {2,3}"].recipe == cells["shots"]["TRX"].recipe


def test_training_seeds_are_cells_of_one_label():
    base = Base("sprites", seeds=(0, 5))
    cells = grids.cardinality(base, ((2,), (3,)))
    assert [(cell.label, cell.run, cell.recipe.train.seed) for cell in cells] == [
        ("2", "sprites-strm-s0", 0),
        ("2", "sprites-strm-s5", 5),
        ("3", "sprites-strm-w3-s0", 0),
        ("3", "sprites-strm-w3-s5", 5),
    ]


def test_a_recipe_file_with_a_seed_of_its_own_names_runs_the_same_way(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(Base("sprites", ("name=own", "train.episodes=7")).load().to_yaml().replace("seed: 0", "seed: 9"))
    base = Base(str(file), seeds=(1,))
    assert base.load().train.seed == 9
    assert [cell.run for cell in grids.components(base)][-1] == "own-strm-s1"


@pytest.mark.parametrize(
    ("assignments", "seeds", "part"),
    [((), (), "--seeds"), ((), (0, 0), "--seeds"), (("train.seed=3",), (0,), "seeds of a grid")],
)
def test_seeds_that_make_no_sense(assignments, seeds, part):
    with pytest.raises(UsageError, match=part):
        Base("sprites", assignments, seeds=seeds).load()


@pytest.mark.parametrize("plan", [grids.components, grids.cardinality, lambda base: grids.tuples(base, (0.5,), 1)])
def test_grids_of_strm_want_strm(plan):
    with pytest.raises(UsageError, match="the method of the recipe is otam"):
        plan(Base("sprites", ("method=otam",)))


@pytest.mark.parametrize("fractions", [(), (0,), (1.5,), (0.5, -1), (float("nan"),)])
def test_shares_that_make_no_sense(fractions):
    with pytest.raises(UsageError, match="--fractions"):
        grids.tuples(BASE, fractions, 1)


def test_other_values_that_make_no_sense():
    with pytest.raises(UsageError, match="--factors"):
        grids.training(BASE, (0, 1), ("strm",))
    with pytest.raises(UsageError, match="no method nope"):
        grids.shots(BASE, ("trm", "nope"))
    with pytest.raises(UsageError, match="no tuples of 4 of the 3 frames"):
        grids.cardinality(Base("sprites", ("input.frames=3",)))
    with pytest.raises(UsageError, match="no cell nope") as caught:
        grids.chosen(grids.components(BASE), ["STRM", "nope"])
    assert "TRM+PLE+FLE" in caught.value.hint


def test_chosen_cells_keep_their_order():
    cells = grids.chosen(grids.components(Base("sprites", seeds=(0, 1))), ["STRM", "TRM"])
    assert [cell.label for cell in cells] == ["TRM", "TRM", "STRM", "STRM"]


def initial(cell):
    return build_model(cell.recipe, pretrained=False).state_dict()


def assert_common_parts_are_equal(small, large):
    common = small.keys() & large.keys()
    assert common and all(small[name].equal(large[name]) for name in common)


def test_cells_begin_with_the_same_weights_of_common_parts():
    by_label = {cell.label: initial(cell) for cell in grids.components(Base("sprites", seeds=(2,)))}
    order = ("TRM", "TRM+PLE", "TRM+FLE", "TRM+PLE+FLE", "STRM")
    for label in order[:-1]:
        assert by_label[label].keys() < by_label["STRM"].keys(), label
        assert_common_parts_are_equal(by_label[label], by_label["STRM"])
    assert by_label["TRM"].keys() == by_label["TRM+PLE"].keys() & by_label["TRM+FLE"].keys()
    other = initial(grids.components(Base("sprites", seeds=(3,)))[-1])
    assert not all(other[name].equal(tensor) for name, tensor in by_label["STRM"].items())


def test_a_cardinality_begins_with_the_same_weights_in_every_set():
    by_label = {cell.label: initial(cell) for cell in grids.cardinality(BASE)}
    for label, parts in (("2,3", "23"), ("2,4", "24"), ("3,4", "34"), ("2,3,4", "234")):
        common = set()
        for part in parts:
            assert_common_parts_are_equal(by_label[part], by_label[label])
            common |= by_label[part].keys()
        assert common == by_label[label].keys(), "every weight of the set is one of its cardinalities alone"


def test_what_a_grid_varies_is_not_set_for_all_cells():
    for setting in ("query_class.enabled=false", "patch_enrichment.enabled = true"):
        with pytest.raises(UsageError, match="switches the parts"):
            grids.components(Base("sprites", (setting,)))
    with pytest.raises(UsageError, match="share of the tuples"):
        grids.tuples(Base("sprites", ("trm.tuple_fraction=0.3",)), (1.0,), 1)


def test_other_cardinalities_leave_trx_and_trm_what_they_are():
    base = Base("sprites", ("trm.cardinalities=[3]",))
    *strm, trx = grids.tuples(base, (0.5,), 1)
    assert [cell.recipe.trm.cardinalities for cell in (strm[0], trx)] == [[3], [2, 3]]
    trm, strm = grids.shots(base, ["trm", "strm"])
    assert (trm.recipe.trm.cardinalities, strm.recipe.trm.cardinalities) == ([2], [3])
    assert [cell.recipe.trm.cardinalities for cell in grids.components(base)] == [[3]] * 5


def test_shares_are_told_apart_by_their_files():
    cells = grids.tuples(BASE, (0.12345678, 0.12345679, 0.5), 1)
    assert [cell.fraction for cell in cells] == [0.123457, 0.5, 1.0]
