"""`strmctl prepare` as typed: one test per original layout, what it prints, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from strmctl.frames.store.store import FrameStore
from tests.videos_for_tests import NOT_A_VIDEO, strmctl, write_video

ONE = ("--workers", "1")


def test_ucf101(tmp_path):
    videos = tmp_path / "UCF-101"
    for seed, name in enumerate(("HandstandPushups/v_HandStandPushups_g01_c01", "Archery/v_Archery_g02_c01")):
        write_video(videos / f"{name}.avi", seed=seed, codec="MJPG")
    ran = strmctl("prepare", "ucf101", "--videos", videos, "--data", tmp_path, *ONE)
    assert ran.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in ran.out.splitlines() if line.strip()}
    assert lines["train"] == ["1/70", "1", "9154", "0", "0", "16"]
    assert lines["val"] == ["1/10", "1", "1421", "0", "0", "16"]
    assert lines["test"] == ["0/21", "0", "2745", "0", "0", "0"]
    assert "2 of 2 clips stored (0 were there before), 0 failed" in ran.err
    assert "missing: 99 classes of the split" in ran.err
    store = FrameStore.open(tmp_path, "ucf101")
    assert store.clips("val") == {"HandstandPushups": ["HandstandPushups/v_HandStandPushups_g01_c01"]}
    assert store.by_id["Archery/v_Archery_g02_c01"].group == "Archery/g02" and store.settings["size"] == "256"


@pytest.mark.parametrize("dataset", ["hmdb51", "jhmdb"])
def test_hmdb51(tmp_path, dataset):
    name = "April_09_brush_hair_u_nm_np1_ba_goo_0"
    write_video(tmp_path / "videos" / dataset / "brush_hair" / f"{name}.avi", codec="MJPG")
    assert strmctl("prepare", dataset, "--data", tmp_path, *ONE).code == 0
    row = FrameStore.open(tmp_path, dataset).by_id[f"brush_hair/{name}"]
    assert (row.cls, row.subset, row.group) == ("brush_hair", "train", "April_09")


def test_kinetics100_with_a_list(tmp_path):
    videos = tmp_path / "k400"
    for seed, name in enumerate(("side_kick/-a_b-c_000001_000011", "side_kick/d_000001_000011", "busking/__e_1_2")):
        write_video(videos / f"{name}.mp4", seed=seed)
    listed = tmp_path / "list.txt"
    listed.write_text("side kick/-a_b-c_000001_000011\n__e_1_2.mp4\nbusking/gone_1_2\n")
    words = ("prepare", "kinetics100", "--videos", videos, "--data", tmp_path, *ONE)
    ran = strmctl(*words, "--list", listed)
    assert ran.code == 0 and ran.out.startswith("kinetics100: 2 clips")
    assert "missing: 1 listed clip: busking/gone_1_2" in ran.err
    clips = FrameStore.open(tmp_path, "kinetics100").clips("test")
    assert clips == {"busking": ["busking/__e_1_2"], "side kick": ["side_kick/-a_b-c_000001_000011"]}
    refused = strmctl(*words)
    assert refused.code == 2
    assert "list list.txt, now none" in refused.err
    ran = strmctl(*words, "--redo")
    assert ran.code == 0 and ran.out.startswith("kinetics100 (all clips): 3 clips")


@pytest.mark.parametrize("labels", ["videos", "labels"])
def test_ssv2_leaves_out_a_test_class_of_the_training_annotation(tmp_path, labels):
    annotations = {
        "train.json": {"1": "Folding [something]", "2": "Picking [something] up"},
        "validation.json": {"3": "Picking [something] up", "4": "Folding [something]"},
    }
    for seed, clip in enumerate("1234"):
        path = write_video(tmp_path / "videos" / f"{clip}.avi", seed=seed, codec="MJPG")
        path.rename(path.with_suffix(".webm"))  # OpenCV looks at the content
    for name, entries in annotations.items():
        path = tmp_path / labels / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([{"id": clip, "template": template} for clip, template in entries.items()]))
    words = ("prepare", "ssv2", "--videos", tmp_path / "videos", "--data", tmp_path / "data", "--size", "64x64", *ONE)
    named = ("--annotations", tmp_path / labels) if labels == "labels" else ()
    ran = strmctl(*words, *named, "--json")
    assert ran.code == 0
    document = ran.json()
    assert (document["clips"], document["done"], document["ignored"]) == (2, 2, 2)
    store = FrameStore.open(tmp_path / "data", "ssv2")
    assert store.clips("train") == {"Folding something": ["1"]}
    assert store.clips("test") == {"Picking something up": ["3"]}
    assert {row.source for row in store.rows} == {"1.webm", "3.webm"}


def test_json_is_one_document(tmp_path):
    videos = tmp_path / "my videos"
    write_video(videos / "good.mp4")
    write_video(videos / "five.mp4", frames=5)
    (videos / "text.mp4").write_text("text")
    (videos / "README.md").write_text("text")
    ran = strmctl("prepare", videos, "--name", "odd", "--flat", "--data", tmp_path, "--json", *ONE)
    document = ran.json()
    assert ran.code == 0 and document["failed"] == [{"clip": "text", "reason": NOT_A_VIDEO}]
    found = [document[key] for key in ("dataset", "clips", "done", "short", "skipped", "ignored", "store")]
    assert found == ["odd", 3, 2, 1, 0, 1, str(tmp_path / "odd")]
    assert document["ignored_because"] == [{"reason": "no video suffix", "files": 1, "first": ["README.md"]}]
    assert document["seconds"] > 0 and document["bytes"] > 0
    again = strmctl("prepare", videos, "--name", "odd", "--flat", "--data", tmp_path, "--json", *ONE).json()
    assert (again["skipped"], again["done"]) == (2, 2)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_nothing_but_failures_is_exit_3_and_each_is_one_line(tmp_path, form):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "text.mp4").write_text("text")
    ran = strmctl("prepare", f"{tmp_path}/v", "--name", "odd", "--flat", "--data", tmp_path, *ONE, *form)
    assert ran.code == 3 and "no clip could be decoded" in ran.err
    assert form or (f"failed: text: {NOT_A_VIDEO}" in ran.err.splitlines() and "text:" not in ran.out)
    assert FrameStore.open(tmp_path, "odd").by_id["text"].status == "failed"
    assert not form or ran.json()["done"] == 0


def test_a_dry_run_counts_and_writes_nothing(tmp_path):
    for cls in ("walk", "run"):
        write_video(tmp_path / "v" / cls / "a.mp4")
    words = ("prepare", f"{tmp_path}/v", "--name", "mine", "--data", tmp_path / "data", "--dry-run")
    ran = strmctl(*words)
    assert ran.code == 0 and not (tmp_path / "data").exists()
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["run", "-", "1"] in rows and ["walk", "-", "1"] in rows
    assert "2 clips would be extracted, 0 are there" in ran.err and "Nothing was written" in ran.err
    document = strmctl(*words, "--json").json()
    assert document["dry_run"] is True and document["bytes"] > 1000 and not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("ufc101",), 2, ("unknown data set 'ufc101'", "kinetics100")),
        (("ucf101",), 3, ("no folder of videos at", "crcv.ucf.edu", "--videos DIR")),
        (("ssv2",), 3, ("no folder of videos at", "qualcomm.com", "--annotations DIR")),
        (("./none", "--name", "mine"), 3, ("no folder of videos at none",)),
        (("ucf101", "--size", "huge"), 2, ("'huge' is not a size",)),
        (("ucf101", "--quality", "101"), 2, ("101 is not in the range",)),
        (("ucf101", "--frames", "7"), 2, ("at least 8",)),
        (("ucf101", "--frames", "some"), 2, ("neither `all` nor a number",)),
        (("ucf101", "--workers", "0"), 2, ("0 is not in the range",)),
        (("ucf101", "--split", "none.yaml"), 3, ("none.yaml cannot be read",)),
    ],
)
def test_what_cannot_be_done_says_why(tmp_path, monkeypatch, words, code, parts):
    monkeypatch.chdir(tmp_path)
    ran = strmctl("prepare", *words)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("error: ") and all(part in ran.err for part in parts)
    assert list(tmp_path.iterdir()) == []
    error = strmctl("prepare", *words, "--json").json()["error"]
    assert error["exit_code"] == code and parts[0] in error["message"]


def test_an_output_folder_that_cannot_be_written_is_exit_1(tmp_path):
    write_video(tmp_path / "v" / "a.mp4")
    (tmp_path / "data").write_text("a file")
    ran = strmctl("prepare", f"{tmp_path}/v", "--name", "odd", "--flat", "--data", tmp_path / "data", *ONE)
    assert ran.code == 1 and str(tmp_path / "data") in ran.err and "defect" not in ran.err
    assert (tmp_path / "data").read_text() == "a file"


@pytest.mark.parametrize(
    ("work", "unwanted"),
    [
        ("from strmctl.cli.commands.prepare import command; command.main(['--help'], standalone_mode=False)", "cv2"),
        ("import strmctl.frames.prepare.prepare", "torch"),
    ],
    ids=["help", "work"],
)
def test_no_torch_is_needed_to_prepare_and_no_opencv_for_the_help(work, unwanted):
    code = f"import sys; {work}; print(sorted({{'torch', 'pandas', 'matplotlib', {unwanted!r}}} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert ran.stdout.splitlines()[-1] == "[]"
