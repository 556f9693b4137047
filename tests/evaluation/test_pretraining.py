"""Test classes that the data of pre-training has as well: by hand for each rule, and for the published splits."""

import pytest

from strmctl.datasets.splits import load_split
from strmctl.evaluation.pretraining import seen_in_pretraining
from strmctl.recipe import load_recipe
from strmctl.report.wording import seen_in_pretraining as in_words


def backbone(name="r2plus1d_18", weights="kinetics400"):
    changes = [f"backbone.name={name}", f"backbone.weights={weights}", "input.frames=16"]
    return load_recipe("sprites", changes).backbone


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("CliffDiving", "diving cliff"),
        ("clean_and_jerk", "clean and jerk"),
        ("PushUps", "push up"),
        ("pushup", "push up"),
        ("Pull  up", "pull ups"),
        ("Sky Diving", "skydiving"),
        ("Ride a Bike", "riding a bike"),
        ("[Swimming] backstrokes", "swimming backstroke"),
        ("hurling sport", "hurling (sport)"),
        ("massage a person's feet", "massaging feet"),
    ],
)
def test_spellings_of_one_name(name, same):
    found = seen_in_pretraining(backbone(), [name, "grow"])
    if name.startswith("massage"):
        assert found["same"] == {} and found["related"][name] == [same]  # a person more
    else:
        assert found["same"] == {name: [same]} and found["related"] == {}


def test_names_that_are_part_of_another():
    found = seen_in_pretraining(backbone(), ["RockClimbingIndoor", "kick", "still", "ki"])
    assert found["related"] == {
        "RockClimbingIndoor": ["rock climbing"],
        "kick": ["drop kicking", "high kick", "kicking field goal", "kicking soccer ball", "side kick"],
    }
    assert found["same"] == {} and found["classes"] == 4


@pytest.mark.parametrize(
    ("split", "same", "related"),
    [("kinetics100", 24, 0), ("ucf101", 3, 6), ("hmdb51", 2, 4), ("ssv2", 0, 1), ("ssv2_small", 0, 0), ("jhmdb", 0, 3)],
)
def test_test_classes_of_the_published_splits_by_number(split, same, related):
    found = seen_in_pretraining(backbone(), load_split(split).classes("test"))
    assert (len(found["same"]), len(found["related"])) == (same, related)


def test_only_networks_whose_weights_have_seen_actions_are_looked_at():
    for name, weights in (("resnet18", "imagenet"), ("conv3", "none"), ("r3d_18", "none"), ("timm:vit", "imagenet")):
        assert seen_in_pretraining(backbone(name, weights), ["yoga"]) is None
    assert seen_in_pretraining(backbone("resnet18", "some.pth"), ["yoga"]) is None
    assert seen_in_pretraining(backbone("resnet50_3d"), ["yoga"])["published"]
    assert not seen_in_pretraining(backbone("resnet50_3d", "some.pth"), ["yoga"])["published"]


def test_the_warning_says_which_and_how_many_and_how_sure_it_is():
    classes = ["yoga", "sit_up", "kick", "grow"]
    assert in_words(seen_in_pretraining(backbone(), classes)) == (
        "Kinetics-400, which the backbone was pre-trained on, has 2 of the 4 test classes by name (sit_up, yoga) and "
        "1 of them in part (kick)"
    )
    assert in_words(seen_in_pretraining(backbone(weights="some.pth"), ["yoga"])) == (
        "If the backbone's weights are of that data, as the published ones are: Kinetics-400, which the backbone was "
        "pre-trained on, has 1 of the 1 test classes by name (yoga)"
    )
    assert in_words(seen_in_pretraining(backbone(), ["grow"])) == in_words({}) == ""
