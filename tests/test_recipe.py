import pytest

from strmctl import strictyaml
from strmctl.errors import RecipeError
from strmctl.paths import shipped
from strmctl.recipe import load_recipe, shipped_recipes

RECIPES = ["hmdb51_r50", "kinetics100_r50", "sprites", "ssv2_r50", "ssv2_small_r50", "ucf101_r50"]


def test_shipped_recipes():
    assert list(shipped_recipes()) == RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_is_valid_and_says_how_to_run_it(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert shipped_recipes()[name].read_text().splitlines()[0] == f"# strmctl train --recipe {name}"
    assert shipped("splits", f"{recipe.data.dataset}.yaml").is_file()


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("r50")])
def test_recipes_of_the_paper_hold_its_values(name):
    paper = strictyaml.load(shipped("reports", "paper.yaml"))["implementation"]
    recipe = load_recipe(name)
    assert recipe.input.frames == paper["frames"]
    assert recipe.trm.dim == paper["trm_dim"]
    assert recipe.trm.cardinalities == paper["cardinalities"]
    assert recipe.query_class.dim == paper["query_class_dim"]
    assert recipe.query_class.weight == paper["lambda"]
    assert (recipe.patch_enrichment.patches, recipe.patch_enrichment.hidden) == (4, 1024)
    own = paper["ssv2"] if "ssv2" in name else paper["other_datasets"]
    assert recipe.train.learning_rate == own["learning_rate"]
    assert recipe.train.episodes == own.get("training_episodes", recipe.train.episodes)
    assert recipe.train.loss_reduction == "sum"
    assert (recipe.train.accumulate, recipe.train.way, recipe.train.shot) == (16, 5, 5)
    assert recipe.input.flip == ("ssv2" not in name)
    for line in shipped_recipes()[name].read_text().splitlines()[8:]:
        marked = any(mark in line for mark in ("[paper]", "[released]", "[ours]"))
        plain = line.endswith(":") or line.strip().startswith(("dataset", "missing_classes", "every", "episodes: 500"))
        assert marked or plain or line.startswith(("name", "method", "data", "#")) or "shot: 5" in line, line


def test_a_recipe_survives_the_way_to_disk(tmp_path):
    recipe = load_recipe("ssv2_r50", ["train.learning_rate=3e-5", "trm.cardinalities=[2, 3]"])
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "r.yaml") == recipe
    assert recipe.train.learning_rate == 3e-5
    assert recipe.trm.cardinalities == [2, 3]


def test_all_problems_are_reported_together():
    wrong = ["train.episods=3", "trm.distance=l2", "train.way=1", "backbone.name=vgg", "nonsense", "x.y=1"]
    with pytest.raises(RecipeError) as caught:
        load_recipe("sprites", wrong)
    lines = caught.value.message.splitlines()
    assert len(lines) == 1 + len(wrong)
    text = caught.value.message
    assert "train.episods: unknown key, did you mean train.episodes? (got 3)" in text
    assert "trm.distance: should be 'squared' or 'norm' (got 'l2')" in text
    assert "train.way: should be greater than or equal to 2 (got 1)" in text
    assert "backbone.name" in text
    assert "--set nonsense: must look like" in text
    assert "x.y: unknown key" in text


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("train.episodes=2.5", "integer"),
        ("train.episodes=true", "integer"),
        ("input.flip=no", "boolean"),
        ("train.learning_rate=fast", "number"),
        ("input.crop=80", "crop must not exceed size"),
        ("trm.cardinalities=[9]", "must differ from each other and not exceed input.frames"),
        ("trm.cardinalities=[2, 2]", "must differ"),
        ("trm.cardinalities=[]", "at least 1"),
        ("name=../x", "pattern"),
    ],
)
def test_wrong_values(assignment, words):
    with pytest.raises(RecipeError, match=words):
        load_recipe("sprites", [assignment])


def test_a_whole_number_passes_for_a_float():
    assert load_recipe("sprites", ["train.learning_rate=1"]).train.learning_rate == 1.0


def test_a_missing_key_is_an_error(tmp_path):
    text = shipped_recipes()["sprites"].read_text().replace("  dropout: 0.1\n", "")
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError, match=r"trm\.dropout: missing"):
        load_recipe(tmp_path / "r.yaml")


def test_a_repeated_key_is_an_error(tmp_path):
    (tmp_path / "r.yaml").write_text(shipped_recipes()["sprites"].read_text() + "name: again\n")
    with pytest.raises(RecipeError, match="'name' stands twice"):
        load_recipe(tmp_path / "r.yaml")


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(RecipeError, match="'sprite'") as caught:
        load_recipe("sprite")
    assert "did you mean sprites?" in caught.value.hint
    assert "ssv2_r50" in caught.value.hint
