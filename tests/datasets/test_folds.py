"""Classes in folds: each is a test class once, no fold trains on what it tests, and the draw is the same anywhere."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strmctl.datasets.folds import fold_classes
from strmctl.datasets.splits import SUBSETS, load_split
from strmctl.errors import UsageError


def all_folds(subsets, opposites=(), *, folds, seed=0):
    return [fold_classes(subsets, opposites, number=n + 1, folds=folds, seed=seed) for n in range(folds)]


def check(subsets, opposites, found):
    """What holds for the folds of any data set."""
    classes = sorted(chain.from_iterable(subsets.values()))
    assert sorted(chain.from_iterable(one["test"] for one in found)) == classes, "the tests partition the classes"
    for one in found:
        assert list(one) == list(SUBSETS)
        assert sorted(chain.from_iterable(one.values())) == classes, "no class lies in two subsets of a fold"
        assert all(names == sorted(names) for names in one.values()) and one["train"]
        for first, second in opposites:
            assert sum({first, second} <= {*names} for names in one.values()) == 1
    widest = 1 if not opposites else 2
    sizes = [len(one["test"]) for one in found]
    assert max(sizes) - min(sizes) <= widest
    assert all(0 <= len(one["val"]) - len(subsets["val"]) < widest for one in found)


@pytest.mark.parametrize(("name", "folds"), [("jhmdb", 3), ("jhmdb", 7), ("sprites", 3), ("sprites", 5), ("ucf101", 4)])
@pytest.mark.parametrize("seed", [0, 1, 9])
def test_every_class_of_a_shipped_split_is_tested_once(name, folds, seed):
    split = load_split(name)
    found = all_folds(split.subsets, split.opposites, folds=folds, seed=seed)
    check({subset: split.classes(subset) for subset in SUBSETS}, split.opposites, found)
    assert found != all_folds(split.subsets, split.opposites, folds=folds, seed=seed + 1)


def test_jhmdb_in_three_folds_of_seven():
    """Pinned: a run's recipe names its fold, and must mean the same classes for ever."""
    found = all_folds(load_split("jhmdb").subsets, folds=3)
    assert [[len(one[subset]) for subset in SUBSETS] for one in found] == [[10, 4, 7]] * 3
    assert found[0]["test"] == ["clap", "golf", "pour", "pullup", "run", "stand", "swing_baseball"]
    assert found[0]["val"] == ["brush_hair", "jump", "pick", "walk"]
    assert found[1]["test"] == ["brush_hair", "jump", "pick", "push", "throw", "walk", "wave"]
    for one, following in zip(found, [*found[1:], found[0]], strict=True):
        assert {*one["val"]} < {*following["test"]}, "each class validates one fold at most"


names = st.lists(st.text("abcdefgh", min_size=1, max_size=3), min_size=12, max_size=30, unique=True)


@given(names, st.integers(2, 4), st.integers(0, 5), st.integers(0, 3), st.randoms())
def test_any_classes_in_any_order(classes, folds, seed, val, random):
    subsets = {"train": classes[val + 2 :], "val": classes[:val], "test": classes[val : val + 2]}
    opposites = [tuple(classes[4:6]), tuple(classes[8:10])]
    for pairs in ((), opposites):
        found = all_folds(subsets, pairs, folds=folds, seed=seed)
        check(subsets, pairs, found)
        shuffled = {"train": [*subsets["train"], *subsets["test"]], "val": subsets["val"], "test": []}
        random.shuffle(shuffled["train"])
        assert all_folds(shuffled, pairs, folds=folds, seed=seed) == found, "only names and the number of val count"


def test_chains_of_opposites_and_opposites_that_are_not_there():
    classes = [f"c{n}" for n in range(12)]
    found = all_folds({"train": classes}, [("c0", "c1"), ("c2", "c1"), ("c3", "gone")], folds=3)
    assert any({"c0", "c1", "c2"} <= {*one["test"]} for one in found)
    assert all(one["val"] == [] for one in found), "a split without val, or no split"


@pytest.mark.parametrize(
    ("counts", "folds", "message", "hint"),
    [
        ((5, 0, 2), 4, "7 classes are too few for 4 folds", "`--folds 3`"),
        ((2, 0, 1), 2, "3 classes are too few for 2 folds", "more classes"),
        ((1, 2, 1), 2, "leave none to train on", "fewer val classes"),
    ],
)
def test_too_few_classes(counts, folds, message, hint):
    drawn = iter("abcdefghij")
    subsets = {subset: [next(drawn) for _ in range(n)] for subset, n in zip(SUBSETS, counts, strict=True)}
    with pytest.raises(UsageError, match=message) as caught:
        fold_classes(subsets, number=1, folds=folds, seed=0)
    assert hint in caught.value.hint
