import json

from click.testing import CliRunner

from strmctl import yaml
from strmctl.cli.main import main
from strmctl.model.backbones.table import BACKBONES
from strmctl.recipe import shipped_recipes
from tests.small_world import refused
from tests.videos_for_tests import strmctl


def test_ls_lists_all():
    shown = CliRunner().invoke(main, ["recipe", "ls"])
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in shipped_recipes())
    rows = json.loads(CliRunner().invoke(main, ["recipe", "ls", "--json"]).stdout)
    assert [row["recipe"] for row in rows] == list(shipped_recipes())


def test_show_prints_the_file_with_its_comments():
    shown = CliRunner().invoke(main, ["recipe", "show", "sprites"])
    assert shown.stdout == shipped_recipes()["sprites"].read_text()


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    for content in (b"\xff\xfe\0", b"[" * 100_000):
        path.write_bytes(content)
        refused(strmctl("recipe", "validate", path), 4, path)
    path.write_bytes(b"\xff\xfe\0")
    refused(strmctl("recipe", "show", path), 4, f"{path} is not a text file")


def test_validate_prints_what_would_be_used():
    shown = CliRunner().invoke(main, ["recipe", "validate", "sprites", "--set", "train.seed=7"])
    assert shown.exit_code == 0
    assert yaml.parse(shown.stdout)["train"]["seed"] == 7


def test_a_recipe_with_two_wrong_keys_names_both(tmp_path):
    text = shipped_recipes()["sprites"].read_text().replace("dropout:", "drop_out:").replace("  seed: 0", "  sede: 0")
    (tmp_path / "mine.yaml").write_text(text)
    shown = CliRunner().invoke(main, ["recipe", "validate", str(tmp_path / "mine.yaml")])
    assert shown.exit_code == 4
    assert "trm.drop_out: unknown key, did you mean trm.dropout?" in shown.stderr
    assert "train.sede: unknown key, did you mean train.seed?" in shown.stderr


def test_an_unknown_recipe():
    assert CliRunner().invoke(main, ["recipe", "show", "nope"]).exit_code == 4


def test_backbones_are_listed_with_what_they_make_of_clips():
    rows = {row["backbone"]: row for row in strmctl("recipe", "backbones", "--json").json()}
    assert list(rows) == list(BACKBONES)
    assert list(rows["mvit_v1_b"].values())[1:] == [768, 224, 0, 8, "kinetics400", "16 frames of 224², 7.5 a second"]
    assert list(rows["resnet50"].values())[1:] == [2048, "any", 8, 16, "imagenet", "frames"]
    shown = strmctl("recipe", "backbones").out
    assert all(name in shown for name in BACKBONES) and "7.5 a second" in shown
