"""Unknown names: whatever is misspelt, the message offers the name that was meant."""

import pytest

from strmctl.errors import did_you_mean
from tests.small_world import evaluate
from tests.videos_for_tests import strmctl


@pytest.mark.parametrize(
    ("words", "known", "guess"),
    [
        (["evla"], ["eval", "data"], "did you mean eval? "),
        (["Table-Tennis shot"], ["TableTennisShot", "Table_Tennis_Shot"], "did you mean Table_Tennis_Shot? "),
        (["shot"], ["train.shot", "validation.shot", "train.way"], "did you mean train.shot or validation.shot? "),
        (["trm", "otma"], ["strm", "otam"], "did you mean strm or otam? "),
        (["up"], [f"moving {number} up" for number in range(9)], ""),
        (["xyzzy"], ["eval", "data"], ""),
        (["eval"], [], ""),
    ],
)
def test_the_nearest_name(words, known, guess):
    assert did_you_mean(known, *words) == guess


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["evla"], "eval"),
        (["pepare", "sprites"], "prepare"),
        (["data", "chekc"], "check"),
        (["chekc"], "data check"),
        (["check", "mine"], "data check"),
        (["validate", "mine.yaml"], "recipe validate"),
        (["ablate", "Components"], "components"),
        (["recipe", "lst"], "ls"),
        (["bench", "thread"], "threads"),
        (["eval", "--shot", "1"], "--shots"),
        (["data", "check", "--workres", "1"], "--workers"),
        (["prepare", "ufc101"], "ucf101"),
        (["import", "x.pt", "--name", "x", "--dataset", "ssv2_smal"], "ssv2_small"),
        (["recipe", "show", "Sprites"], "sprites"),
        (["recipe", "validate", "ssv2-r50.yml"], "ssv2_r50"),
        (["recipe", "validate", "sprites", "--set", "trian.shot=1"], "train.shot"),
        (["recipe", "validate", "sprites", "--set", "shot=1"], "train.shot or validation.shot"),
        (["recipe", "validate", "sprites", "--set", "train.Way=3"], "train.way"),
        (["recipe", "validate", "sprites", "--set", "method=strmm"], "strm"),
        (["recipe", "validate", "sprites", "--set", "backbone.name=resnet-50"], "resnet50"),
        (["recipe", "validate", "sprites", "--set", "model.deviations=[gates]"], "gate"),
        (["bench", "eval", "--backbone", "renset18"], "resnet18"),
        (["ablate", "components", "--recipe", "sprits"], "sprites"),
        (["ablate", "shots", "--methods", "strm,txr"], "trx"),
        (["ablate", "components", "--only", "TRM+PEL"], "TRM+PLE"),
    ],
)
def test_what_the_tool_knows_by_itself(words, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pt").touch()
    ran = strmctl(*words)
    assert ran.code in (2, 3, 4) and f"did you mean {meant}?" in ran.err, ran.err


def test_what_is_there(data, runs):
    here = ("--data", data)
    assert "did you mean mine?" in strmctl("data", "check", "mien", *here).err
    assert "did you mean mine?" in strmctl("data", "show", "Mine", *here).err
    assert "did you mean swim?" in strmctl("data", "show", "mine", "--classes", "swin,walk", *here).err
    assert "did you mean swim/0?" in strmctl("data", "show", "mine", "swin/0", *here).err
    assert "did you mean swim?" in evaluate(data, runs, "--classes", "Swimm,walk").err
    assert "did you mean mine?" in evaluate(data, runs, "--dataset", "mins").err
    assert (
        "did you mean mine?"
        in strmctl("train", "--recipe", "sprites", "--set", "data.dataset=mina", *here, "--runs", runs).err
    )
    for words in (("eval",), ("compare", "sprites"), ("report",), ("viz", "--video", "x.mp4", "--run")):
        name = ("--run", "sprits") if words == ("eval",) else ("sprits",)
        ran = strmctl(*words, *name, "--runs", runs)
        assert ran.code == 3 and "did you mean sprites?" in ran.err, ran.err
    assert "did you mean" not in strmctl("compare", "zzz", "sprites", "--runs", runs).err
