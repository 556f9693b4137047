import pickle

import pytest

from strmctl import yaml
from strmctl.errors import RecipeError
from strmctl.model.backbones.table import BACKBONES
from strmctl.paths import shipped
from strmctl.recipe import Recipe, completed, flat, load_recipe, shipped_recipes, with_other_methods

RECIPES = list(shipped_recipes())


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_is_valid_and_says_how_to_run_it(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    first = shipped_recipes()[name].read_text().splitlines()[0]
    if name == "classify":  # its data are the examples
        assert first == "# strmctl classify --examples DIR VIDEO"
        return
    assert first == f"# strmctl train --recipe {name}"
    assert shipped("splits", f"{recipe.data.dataset}.yaml").is_file()


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("r50")])
def test_recipes_of_the_paper_hold_its_values(name):
    paper = yaml.load(shipped("reports", "paper.yaml"))["implementation"]
    recipe = load_recipe(name)
    assert recipe.input.frames == paper["frames"]
    assert recipe.trm.dim == paper["trm_dim"]
    assert recipe.trm.cardinalities == paper["cardinalities"]
    assert recipe.query_class.dim == paper["query_class_dim"]
    assert recipe.query_class.trained
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


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("_vit")])
def test_recipes_with_a_vision_transformer_differ_in_nothing_else(name):
    values, others = (load_recipe(name).model_dump() for name in (name, name.replace("vit", "r50")))
    # half of D, which is another
    changed = {"": ["name"], "input": ["normalize"], "backbone": ["name"], "patch_enrichment": ["hidden"]}
    for section, keys in {**changed, "query_class": ["dim"]}.items():
        for part in (values, others):
            for key in keys:
                (part[section] if section else part).pop(key)
    assert values == others
    recipe = load_recipe(name)
    assert (recipe.backbone.name, recipe.input.normalize, recipe.input.crop) == ("vit_b16", "backbone", 224)
    assert recipe.query_class.dim is None
    assert recipe.patch_enrichment.hidden is None


@pytest.mark.parametrize(
    ("name", "other", "backbone", "others"),
    [
        ("ssv2_r3d50", "ssv2_r50", "resnet50_3d", {"input.normalize"}),
        ("ssv2_mvit", "ssv2_vit", "mvit_v2_s", {"input.frames", "train.memory"}),
    ],
)
def test_recipes_with_a_network_over_clips_differ_in_it_alone(name, other, backbone, others):
    own, theirs = (flat(load_recipe(recipe).model_dump()) for recipe in (name, other))
    assert {key for key in own if own[key] != theirs[key]} == {"name", "backbone.name", "backbone.weights", *others}
    assert (own["backbone.name"], own["backbone.weights"]) == (backbone, "kinetics400")
    assert load_recipe(name).steps == 8


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("dinov2")])
def test_recipes_with_dinov2_differ_from_those_of_the_other_transformer_in_the_backbone_and_its_views(name):
    own, other = (flat(load_recipe(name).model_dump()) for name in (name, name.replace("dinov2", "vit")))
    differ = {key for key in own if own[key] != other[key]}
    assert differ == {"name", "backbone.name", "backbone.trained", "input.crop", "train.views"}
    assert not own["backbone.trained"] and own["input.crop"] == 14 * (own["input.size"] // 14)


@pytest.mark.parametrize("name", [name for name, entry in BACKBONES.items() if entry.video])
def test_the_rate_of_a_backbone_is_that_of_its_table_and_a_run_says_it_in_numbers(tmp_path, name):
    entry = BACKBONES[name]
    crop = f"input.crop={entry.crop or 64}"
    changes = [f"backbone.name={name}", "input.size=224", crop, "input.frames=16", "method=prototype"]
    recipe = load_recipe("sprites", [*changes, "input.rate=backbone"])
    assert recipe.input.rate == entry.video.rate
    assert load_recipe("sprites", changes).input.rate is None
    assert load_recipe("sprites", [*changes, "input.rate=12"]).input.rate == 12.0
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    assert yaml.load(tmp_path / "r.yaml")["input"]["rate"] == entry.video.rate
    assert load_recipe(tmp_path / "r.yaml") == recipe


def test_recipes_of_runs_from_before_there_was_a_rate_mean_the_same(tmp_path):
    recipe = load_recipe("ssv2_mvit")
    text = recipe.to_yaml()
    (tmp_path / "r.yaml").write_text(text.replace("  rate: null\n", ""))
    assert "rate: null" in text and load_recipe(tmp_path / "r.yaml") == recipe
    values = recipe.model_dump()
    del values["input"]["rate"]
    assert completed(values) == recipe.model_dump()


def test_a_recipe_survives_the_way_to_disk(tmp_path):
    changes = ["train.learning_rate=3e-5", "trm.cardinalities=[2, 3]", "model.deviations=[gate, patch_encoding]"]
    recipe = load_recipe("ssv2_r50", changes)
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "r.yaml") == recipe
    assert recipe.train.learning_rate == 3e-5
    assert recipe.trm.cardinalities == [2, 3]
    assert recipe.model.deviations == ["gate", "patch_encoding"]


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
        ("input.flip=no", "boolean"),
        ("train.learning_rate=fast", "number"),
        ("input.crop=80", "crop must not exceed size"),
        ("trm.cardinalities=[9]", "must differ from each other and not exceed input.frames"),
        ("trm.cardinalities=[]", "at least 1"),
        ("name=../x", "pattern"),
        ("input.rate=0", r"input\.rate: should be greater than 0 \(got 0\)"),
        ("input.rate=1e999", "finite"),
        ("input.rate=true", r"input\.rate: should be a valid number \(got True\)"),
        ("input.rate=fast", r"input\.rate: should be null, a number .*, or 'backbone' with .* \(got 'fast'\)"),
        ("input.rate=backbone", r"or 'backbone' with backbone resnet50_3d, r3d_18, .*, swin3d_t \(got 'backbone'\)"),
        ("train.keep=[1001]", r"train.keep must differ from each other and not exceed train.episodes \(1000\)"),
        ("train.keep=[7, 5, 7]", "must differ from each other"),
        ("train.keep=[0]", "greater than or equal to 1"),
        ("train.keep=5", "list"),
        ("train.keep=[2.5]", "integer"),
        ("method=trxx", r"'trm', 'trx', 'strm', .* or '\w+', did you mean trx\? \(got 'trxx'\)"),
        ("model.preset=ours", "'paper' or 'released'"),
        ("model.deviations=[gates]", r"model\.deviations\.0: should be 'unscaled_scores', 'gate'"),
        ("model.deviations=[gate, gate]", "deviations must differ"),
        ("otam.smoothing=0", "greater than 0"),
        ("otam.smoothing=1e999", "finite"),
        ("prototype.distance=euclidean", "'squared' or 'cosine'"),
        ("chamfer.directions=back", "'both' or 'query'"),
        ("chamfer.scale=0", "greater than 0"),
        (
            "backbone.name=resnet5",
            r"'swin3d_t', or 'timm:NAME' .*, did you mean resnet50\? \(got 'resnet5'\)",
        ),
        ("backbone.name=vit_tiny_patch16_224", r"did you mean timm:vit_tiny_patch16_224\?"),
        ("backbone.name='timm:'", r"or 'timm:NAME' .*\(got 'timm:'\)"),
        ("backbone.name=16", r"backbone\.name: should be a valid string"),
        ("backbone.name=vit_b16", r"input\.crop must be 224 with backbone vit_b16 \(got 64\)"),
    ],
)
def test_wrong_values(assignment, words):
    with pytest.raises(RecipeError, match=words):
        load_recipe("sprites", [assignment])


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        (["model.preset=released", "model.deviations=[gate]"], r"model: deviations must be \[\] with preset released"),
        (["method=trm", "trm.cardinalities=[2, 3]"], r"cardinalities: with method trm it is \[2\] \(got \[2, 3\]\)"),
        (["method=otam", "query_class.enabled=true"], r"enabled: with method otam it is False \(got True\)"),
        (["method=otam", "model.preset=released"], r"model\.preset: with method otam it is 'paper'"),
        (["model.deviations=[gate]", "patch_enrichment.enabled=false"], "this strm model has no place for gate"),
        (["method=trx", "input.frames=2"], "must differ from each other and not exceed input.frames"),
        (["method=trx", "model.deviations=[mean_over_cardinalities, gate]"], "trx model has no place for gate"),
        (["method=otam", "model.deviations=[mean_over_cardinalities]"], "otam model has no place for mean_over"),
    ],
)
def test_values_that_do_not_go_together(assignments, words):
    with pytest.raises(RecipeError, match=words):
        load_recipe("sprites", assignments)


@pytest.mark.parametrize(
    "assignment", ["foo", "foo.bar=1", ".=1", "train.seed.x=1", "=3", "train=", "train.foo=1", "train.way=["]
)
def test_assignments_that_make_no_sense_are_named(assignment):
    with pytest.raises(RecipeError) as caught:
        load_recipe("sprites", ["method=trx", assignment])
    assert assignment.partition("=")[0] in caught.value.message


@pytest.mark.parametrize(
    ("method", "cardinalities"),
    [("trm", [2]), ("trx", [2, 3]), ("otam", [4]), ("chamfer", [4]), ("prototype", [4]), ("strm", [4])],
)
def test_a_recipe_says_what_its_method_does(tmp_path, method, cardinalities):
    before = load_recipe("sprites")
    text = shipped_recipes()["sprites"].read_text().replace("cardinalities: [2] ", "cardinalities: [4] ")
    (tmp_path / "four.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "four.yaml", [f"method={method}"])
    enabled = recipe.patch_enrichment.enabled, recipe.frame_enrichment.enabled, recipe.query_class.enabled
    assert enabled == (method == "strm",) * 3
    assert recipe.trm.cardinalities == cardinalities
    values, others = recipe.model_dump(), before.model_dump()
    for section in ("patch_enrichment", "frame_enrichment", "query_class"):
        del values[section]["enabled"], others[section]["enabled"]
    del values["trm"]["cardinalities"], others["trm"]["cardinalities"], values["method"], others["method"]
    assert values == others
    assert recipe.settled() == recipe.model_dump()
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    again = load_recipe(tmp_path / "r.yaml")
    assert again == recipe
    assert again.to_yaml() == recipe.to_yaml()


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_recipes_are_the_papers_model_and_hold_what_their_method_does(name):
    recipe = load_recipe(name)
    assert (recipe.model.preset, recipe.model.deviations) == ("paper", [])
    assert with_other_methods(yaml.load(shipped_recipes()[name])) == recipe.model_dump()
    assert pickle.loads(pickle.dumps(recipe)) == recipe  # noqa: S301 - as the processes of a grid pass it on


def test_a_recipe_from_before_snapshots_keeps_none(tmp_path):
    (tmp_path / "r.yaml").write_text(
        "".join(
            line
            for line in shipped_recipes()["sprites"].read_text().splitlines(keepends=True)
            if "keep: []" not in line
        )
    )
    assert load_recipe(tmp_path / "r.yaml") == load_recipe("sprites")
    assert load_recipe("sprites", ["train.keep=[1000, 500]"]).train.keep == [1000, 500]


def test_where_nothing_is_trained_nothing_is_kept(tmp_path):
    nothing = ("method=prototype", "backbone.trained=false")
    text = shipped_recipes()["sprites"].read_text().replace("keep: []", "keep: [500]")
    (tmp_path / "r.yaml").write_text(text)
    assert load_recipe(tmp_path / "r.yaml").train.keep == [500]
    assert load_recipe(tmp_path / "r.yaml", nothing).train.keep == []
    with pytest.raises(RecipeError, match=r"train\.keep: with method prototype and a frozen backbone it is \[\]"):
        load_recipe("sprites", [*nothing, "train.keep=[500]"])


def test_a_whole_number_passes_for_a_float():
    assert load_recipe("sprites", ["train.learning_rate=1"]).train.learning_rate == 1.0


def test_a_missing_or_repeated_key_is_an_error(tmp_path):
    text = shipped_recipes()["sprites"].read_text().replace("  dropout: 0.1\n", "")
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError, match=r"trm\.dropout: missing"):
        load_recipe(tmp_path / "r.yaml")
    (tmp_path / "r.yaml").write_text(text + "name: again\n")
    with pytest.raises(RecipeError, match="'name' stands twice"):
        load_recipe(tmp_path / "r.yaml")


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(RecipeError, match="'sprite'") as caught:
        load_recipe("sprite")
    assert "did you mean sprites?" in caught.value.hint
    assert "ssv2_r50" in caught.value.hint


FOLD = {"number": 2, "folds": 3, "seed": 0}


def test_only_a_run_of_a_fold_has_the_key_fold(tmp_path):
    plain, fold = load_recipe("sprites"), load_recipe("sprites", [f"data.fold={FOLD}"])
    assert plain.data.fold is None and "fold" not in plain.model_dump()["data"] and "fold" not in plain.to_yaml()
    assert fold.model_dump()["data"]["fold"] == FOLD and str(fold.data.fold) == "fold 2 of 3"
    (tmp_path / "own.yaml").write_text(fold.to_yaml())
    assert load_recipe(tmp_path / "own.yaml") == fold != plain
    assert load_recipe(tmp_path / "own.yaml", ["data.fold=null"]) == plain


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("3", "data.fold: "),
        ("{number: 4, folds: 3, seed: 0}", "data.fold: number must not exceed folds (3)"),
        ("{number: 0, folds: 3, seed: 0}", "data.fold.number: "),
        ("{number: 1, folds: 1, seed: 0}", "data.fold.folds: "),
        ("{number: 1, folds: 3}", "data.fold.seed: missing"),
        ("{number: 1, folds: 3, seed: 0, of: 3}", "data.fold.of: unknown key"),
    ],
)
def test_a_fold_that_makes_no_sense(value, problem):
    with pytest.raises(RecipeError) as caught:
        load_recipe("sprites", [f"data.fold={value}"])
    assert problem in caught.value.message


def test_a_recipe_that_was_noted_before_a_method_came_is_completed():
    now = load_recipe("sprites").model_dump()
    noted = {key: value for key, value in now.items() if key not in ("otam", "chamfer")}
    assert completed(noted) == now and Recipe.model_validate(noted) == load_recipe("sprites")
    own = {**noted, "method": "chamfer"}
    assert completed(own) == own  # its own section is not guessed


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("cmn.tau", " cmn has variables, dim, readout, loss, scale, margin (got 1)"),
        ("otam.lambda", "otam.lambda: unknown key, otam has smoothing (got 1)"),
        ("molo.patches", "did you mean patch_enrichment.patches? molo has heads, "),
        ("bi_mhm.scale", " bi_mhm has no keys (got 1)"),
        ("strm.dim", " strm has no keys (got 1)"),
    ],
)
def test_an_unknown_key_of_a_method_is_answered_with_those_that_it_has(key, words):
    with pytest.raises(RecipeError) as caught:
        load_recipe("sprites", [f"{key}=1"])
    assert words in caught.value.message
