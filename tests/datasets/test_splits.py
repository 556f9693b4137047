import pytest

from strmctl.datasets.splits import SUBSETS, known_splits, load_split, read_annotation
from strmctl.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("name", "classes", "clips"),
    [
        ("ucf101", [70, 10, 21], [9154, 1421, 2745]),
        ("hmdb51", [31, 10, 10], [4280, 1194, 1292]),
        ("jhmdb", [12, 4, 5], [527, 191, 210]),
        ("kinetics100", [64, 12, 24], [6400, 1200, 2400]),
        ("ssv2", [64, 12, 24], [67013, 1926, 2857]),
        ("ssv2_small", [64, 12, 24], [6400, 1200, 2400]),
        ("sprites", [20, 6, 12], [800, 240, 480]),
    ],
)
def test_shipped_splits_have_the_published_numbers(name, classes, clips):
    split = load_split(name)
    assert split.name == name and split.source
    assert [len(split.classes(subset)) for subset in SUBSETS] == classes
    assert [sum(split.subsets[subset].values()) for subset in SUBSETS] == clips


def test_every_shipped_file_is_tested_above():
    assert known_splits() == ["hmdb51", "jhmdb", "kinetics100", "sprites", "ssv2", "ssv2_small", "ucf101"]


def test_the_classes_of_jhmdb_lie_in_the_subsets_that_they_have_in_hmdb51():
    small, whole = load_split("jhmdb"), load_split("hmdb51")
    for subset in SUBSETS:
        assert set(small.classes(subset)) < set(whole.classes(subset))
        assert all(clips < whole.subsets[subset][cls] for cls, clips in small.subsets[subset].items())


def test_sprites_pairs_cover_val_and_test_and_stay_in_a_subset():
    split = load_split("sprites")
    paired = [cls for pair in split.opposites for cls in pair]
    assert len(paired) == len(set(paired)) == 28
    assert all(split.subset_of(first) == split.subset_of(second) != "" for first, second in split.opposites)
    assert {cls for cls in paired if split.subset_of(cls) != "train"} == {*split.classes("val"), *split.classes("test")}


def test_subset_of():
    split = load_split("ucf101")
    assert split.subset_of("HandstandPushups") == "val" and split.subset_of("handstand pushups") == ""


def test_a_users_file_may_list_classes_and_leave_val_out(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("subsets:\n  train: [walk, no]\n  test: {run: 12, sit: }\n")
    split = load_split(path)
    assert split.name == "mine"
    assert split.subsets == {"train": {"walk": None, "no": None}, "val": {}, "test": {"run": 12, "sit": None}}


@pytest.mark.parametrize(
    "text",
    [
        "train: [walk, run]\nval: [sit]\ntest: [hop]\n",
        "name: mine\ntrain: {walk: 3, run: 4}\nval: [sit]\ntest:\n- hop\n",
        '{"train": ["walk", "run"], "val": ["sit"], "test": ["hop"]}',
        "\ufefftrain: [run, walk]\nval: [sit]\ntest: [hop]\n",
    ],
)
def test_the_short_form(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    split = load_split(path)
    assert {subset: split.classes(subset) for subset in SUBSETS} == {
        "train": ["run", "walk"],
        "val": ["sit"],
        "test": ["hop"],
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("trian: [walk]\ntest: [hop]\n", "trian: unknown key (did you mean train?"),
        ("train: [walk]\nsubsets: {test: [hop]}\n", "train: unknown key"),
        ("train: walk\ntest: [hop]\n", "subsets.train: want a list of classes"),
        ("subsets: {Train: [walk]}\n", "unknown subset (did you mean train?"),
        ("walk: train\nhop: test\n", "train, val, test: missing"),
    ],
)
def test_what_is_no_short_form_is_named(tmp_path, text, problem):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        load_split(path)
    assert problem in caught.value.message and "`train: [a, b]`" in caught.value.hint


def test_all_problems_are_named_together(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "subsets:\n  train: [Side Kick, run, run]\n  val: {sit: many}\n  test: [side_kick, 7]\n  extra: []\n"
        "colour: red\nopposites: [[run, sit], [run], [run, fly]]\n"
    )
    with pytest.raises(DataError) as caught:
        load_split(path)
    for problem in (
        "subsets.train: 'run' stands in train already",
        "subsets.val.sit: want a number of clips (got 'many')",
        "subsets.test: 'side_kick' stands in train already, spelt 'Side Kick'",
        "subsets.test: a class is text; put it in quotes (got 7)",
        "subsets.extra: unknown subset",
        "colour: unknown key",
        "'run' and 'sit' lie in different subsets",
        "want two classes (got ['run'])",
        "not a class of this split: 'fly'",
    ):
        assert problem in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "- a\n", "subsets: [a]\n", "subsets: {}\n", "a: [\n", "subsets:\n  train: [a]\n  train: [b]\n"]
)
def test_what_is_no_split_is_a_data_error(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match="not valid"):
        load_split(path)


def test_unknown_names(tmp_path):
    with pytest.raises(UsageError, match="unknown split 'ucf'") as caught:
        load_split("ucf")
    assert "ucf101" in caught.value.hint
    with pytest.raises(DataError, match="No such file"):
        load_split(tmp_path / "none.yaml")


def test_annotation_brackets_are_no_part_of_the_class(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(
        '[{"id": 7, "template": "Putting [something similar to other things] on [something]", "label": "x"}]'
    )
    assert list(read_annotation(path)) == [("7", "Putting something similar to other things on something")]


@pytest.mark.parametrize("text", ["{}", "[{}]", '[{"id": "1", "template": null}]', "not json"])
def test_a_damaged_annotation_is_named(tmp_path, text):
    path = tmp_path / "train.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"train\.json"):
        list(read_annotation(path))
