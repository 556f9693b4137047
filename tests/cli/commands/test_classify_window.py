"""`strmctl classify --window`: segments of long videos as tables, documents and files, and what makes no sense."""

import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from strmctl.classify.timeline import Segment, Timeline
from strmctl.cli.timeline_output import write_table
from strmctl.report.pictures.caption import BLUE as BAR
from strmctl.videos import write_video as annotate_module
from strmctl.videos.decode import decode
from tests.classify.small import recipe_file
from tests.classify.test_find import COLOURS, montage, overlap, plain
from tests.small_world import read_rows, refused, refused_in_json
from tests.videos_for_tests import strmctl, write_odd_video, write_video

PARTS = ("red", 3), ("blue", 2), ("green", 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with `examples` of three colours, `new/long.mp4`, `new/other.mp4` and the recipe `small.yaml`."""
    folder = tmp_path_factory.mktemp("window")
    for seed, (cls, number) in enumerate((cls, number) for cls in COLOURS for number in range(3)):
        write_odd_video(folder / "examples" / cls / f"{number}.mp4", plain(cls, 12, seed))
    montage(folder / "new" / "long.mp4", *PARTS)
    montage(folder / "new" / "other.mp4", ("green", 2), ("red", 2))
    recipe_file(folder / "small.yaml")
    return folder


@pytest.fixture
def world(made, monkeypatch, tmp_path):
    """The same as working folder, with links, so that a test may add files."""
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "new").unlink()
    (tmp_path / "new").mkdir()
    for path in (made / "new").iterdir():
        (tmp_path / "new" / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def classify(*words):
    usual = ("--examples", "examples", "--recipe", "small.yaml", "--device", "cpu", "--no-reject")
    return strmctl("classify", *usual, *words)


def found(*words):
    return classify(*words, "--window", 1)


def test_a_table_of_each_video_says_what_happens_when(world):
    ran = found("new")
    assert ran.code == 0, ran.err
    lines = [line.split() for line in ran.out.splitlines() if line.strip()]
    assert [line for line in lines if line[0].startswith("new/")] == [["new/long.mp4"], ["new/other.mp4"]]
    rows = [line for line in lines if line[0].startswith("0:00:0")]
    assert [row[2] for row in rows] == ["red", "blue", "green", "green", "red"]
    assert rows[0][0] == "0:00:00.0" and rows[2][1] == "0:00:08.0" and all(row[4].endswith(".mp4") for row in rows)
    assert "Held out in turn" in ran.out and "long.mp4 8/8" in ran.err and "seconds of video/s" in ran.err


def test_json_and_csv_hold_the_segments_and_the_windows(world):
    ran = found("new", "--json", "--csv", "out.csv", "--stride", 0.5)
    assert ran.code == 0, ran.err
    document, rows = ran.json(), read_rows(world / "out.csv")
    assert (document["window"], document["stride"]) == (1, 0.5)
    assert {"timelines", "classes", "calibration", "rejection", "provenance"} <= set(document)
    segments = [(one["video"], part) for one in document["timelines"] for part in one["segments"]]
    for (video, part), row in zip(segments, rows, strict=True):
        assert (row["video"], row["class"], row["nearest"]) == (video, part["class"], part["nearest"])
        assert [float(row[key]) for key in ("start", "end", "probability")] == pytest.approx(
            [part["start"], part["end"], part["probability"]]
        )
    windows = document["timelines"][0]["windows"]
    assert windows["start"] == [0.5 * number for number in range(15)] and windows["end"][-1] == 8
    assert [sum(shares) for shares in zip(*windows["probabilities"].values(), strict=True)] == pytest.approx([1] * 15)
    for (cls, seconds), (_, part) in zip(PARTS, segments[:3], strict=True):
        assert part["class"] == cls
        start = sum(length for _, length in PARTS[: [name for name, _ in PARTS].index(cls)])
        assert overlap((part["start"], part["end"]), (start, start + seconds)) > 0.75


def test_a_video_in_which_nothing_is_found_has_a_row_with_its_notes(tmp_path):
    timelines = [
        Timeline(Path("damaged.mp4"), ("hop", "run"), 3.0, notes=("damaged: 2 of 9 frames", "odd")),
        Timeline(Path("quiet.mp4"), ("hop", "run"), 3.0),
        Timeline(Path("seen.mp4"), ("hop", "run"), 3.0, segments=(Segment(0.5, 2.0, "hop", 0.75, "hop/1.mp4"),)),
    ]
    write_table(tmp_path / "out.csv", timelines)
    rows = [[*row.values()] for row in read_rows(tmp_path / "out.csv")]
    assert rows == [
        ["damaged.mp4", "", "", "", "", "", "", "damaged: 2 of 9 frames; odd"],
        ["quiet.mp4", "", "", "", "", "", "", ""],
        ["seen.mp4", "0.5", "2.0", "hop", "0.75", "hop/1.mp4", "", ""],
    ]


def test_videos_that_cannot_be_read_have_their_reason_and_the_exit_code_is_3(world):
    (world / "song.mp3").write_bytes(b"ID3" + bytes(2000))
    with wave.open(str(world / "song.wav"), "wb") as song:
        song.setparams((1, 2, 8000, 0, "NONE", ""))
        song.writeframes(bytes(16_000))
    os.mkfifo(world / "pipe.mp4")
    write_video(world / "one.mp4", frames=1)
    content = write_video(world / "whole.avi", frames=120, codec="MJPG").read_bytes()
    (world / "half.avi").write_bytes(content[: len(content) // 2])
    words = ("song.mp3", "pipe.mp4", "one.mp4", "gone.mp4", "song.wav", "x" * 300, "half.avi", "new/long.mp4")
    ran = found(*words, "--csv", "out.csv")
    assert (
        ran.code == 3
        and "song.wav: cannot be read: not a video" in ran.out
        and "pipe.mp4: cannot be read: not a regular file" in ran.out
    ), ran.err
    assert "one.mp4: has a single frame" in ran.out and "half.avi: damaged: " in ran.out
    rows = read_rows(world / "out.csv")
    reasons = {row["video"]: row["reason"] for row in rows}
    assert reasons["x" * 300] == "cannot be read: File name too long"
    assert [bool(reasons[video]) for video in words] == [True] * 6 + [False] * 2
    assert all(row["class"] and not row["notes"] for row in rows if row["video"] == "new/long.mp4")
    assert {row["notes"].partition(":")[0] for row in rows if row["video"] == "half.avi"} == {"damaged"}


def test_a_window_unlike_the_examples_is_said(world):
    assert "the examples last 1 s" in classify("new/long.mp4", "--window", 4).err
    assert "the examples last" not in classify("new/long.mp4", "--window", 2).err
    assert "6 frames in a window where 8 are taken, so some appear" in classify("new/long.mp4", "--window", 0.5).out
    short = classify("new/long.mp4", "--window", 100)
    assert "its 8 s are shorter than a window" in short.out and short.code == 0, short.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--window", 0), 2, "above 0"),
        (("--window", -2), 2, "above 0"),
        (("--window", "nan"), 2, "above 0"),
        (("--window", "inf"), 2, "above 0"),
        (("--window", "x"), 2, "--window"),
        (("--window", 301), 2, "300 seconds at most"),
        (("--window", 1, "--stride", 0), 2, "above 0"),
        (("--window", 1, "--stride", 3), 2, "`--stride 1` is the largest"),
        (("--window", 1, "--top", 2), 2, "--top is for whole videos"),
        (("--stride", 1), 2, "`--window 2`"),
        (("--stride", 5), 2, "`--window 5`"),
    ],
)
def test_windows_that_make_no_sense_are_refused(world, words, code, message):
    refused(classify("new", *words), code, message)
    refused_in_json(classify("new", *words, "--json"), code, message.split("`")[0])


def test_windows_below_a_frame_are_a_reason(world):
    ran = classify("new/long.mp4", "--window", 0.1)
    assert ran.code == 3 and "has 12 frames per second, and a window of 0.1 s needs two of them" in ran.out


def test_subtitles_show_what_is_seen_while_it_is_seen(world):
    assert found("new/long.mp4", "--subtitles", "out.VTT").code == 0
    ran = found("new", "--subtitles", "sub", "--json")
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in (world / "sub").iterdir()) == ["long.vtt", "other.vtt"]
    text = (world / "sub" / "long.vtt").read_text(encoding="utf-8")
    assert text == (world / "out.VTT").read_text(encoding="utf-8")
    head, *cues = text.strip().split("\n\n")
    assert head == "WEBVTT"
    for cue, one in zip(cues, ran.json()["timelines"][0]["segments"], strict=True):
        assert cue.split("\n")[1] == f"{one['class']} {100 * one['probability']:.0f} %"
        assert cue.startswith(f"00:00:0{one['start']:.3f} --> 00:00:0{one['end']:.3f}\n")


def test_pictures_and_annotated_copies_show_the_segments(world):
    ran = found("new", "--timeline", "pictures", "--annotate", "copies", "--json")
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in (world / "pictures").iterdir()) == ["long.png", "other.png"]
    assert (world / "pictures" / "long.png").read_bytes().startswith(b"\x89PNG")
    assert found("new/long.mp4", "--timeline", "one.svg").code == 0
    drawn = (world / "one.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<?xml") and "blue line" in drawn
    assert sorted(path.name for path in (world / "copies").iterdir()) == ["long.mp4", "other.mp4"]
    before, after = decode(world / "new" / "long.mp4"), decode(world / "copies" / "long.mp4")
    segments = ran.json()["timelines"][0]["segments"]
    for own, one in zip(before.pictures, after.pictures, strict=True):
        assert one.time == pytest.approx(own.time, abs=1e-3)
        colour, pixels = own.pixels()[5, 5].astype(int), one.pixels().astype(int)
        (cls,) = [part["class"] for part in segments if part["start"] <= own.time < part["end"]]
        assert np.abs(pixels[100, 160] - colour).max() < 25, cls
        bar = np.abs(pixels[-2] - BAR[2::-1]).max(axis=1) < 60
        assert 0.3 < bar.mean() < 1 and bar[:90].all()  # as wide as the class is probable
    assert "long.mp4 8/8" in ran.err and ran.err.count("long.mp4 8/8") == 2


def test_where_nothing_is_shown_frames_stay_as_they_are(world):
    usual = ("--examples", "examples", "--recipe", "small.yaml", "--device", "cpu", "--reject", 0.99)
    ran = strmctl("classify", *usual, "new/long.mp4", "--window", 1, "--json", "--annotate", "out.mp4")
    assert ran.code == 0, ran.err
    (document,) = ran.json()["timelines"]
    times = [(one.time, one.pixels().astype(int)) for one in decode(world / "out.mp4").pictures]
    for time, pixels in times:
        shown = any(part["start"] <= time < part["end"] for part in document["segments"])
        assert shown == (np.abs(pixels[-20, 300] - pixels[100, 300]).max() > 30)
    assert sum(document["windows"]["refused"]) > 0


@pytest.mark.parametrize("option", ["--subtitles", "--timeline", "--annotate"])
def test_files_that_make_no_sense_are_refused_before_any_work(world, option):
    kind = {"--subtitles": ".vtt", "--timeline": ".png", "--annotate": ".mp4"}[option]
    refused(found("new", option, f"out{kind}"), 2, "is one file, and there are 2 videos", f"`{option} out`")
    refused(found("new/long.mp4", option, "out.txt"), 2, f"`{option} out{kind}`")
    refused(classify("new/long.mp4", option, f"out{kind}"), 2, f"{option} is for windows", "`--window 2`")
    os.link("new/long.mp4", f"twin{kind}")
    refused(found("new/long.mp4", option, f"twin{kind}"), 2, "would overwrite an input, new/long.mp4")
    (world / "examples" / "red" / f"9{kind}").write_text("not an example")
    refused(found("new/long.mp4", option, f"examples/red/9{kind}"), 2, "would overwrite an input, examples/red/9")
    (world / "examples" / "red" / f"9{kind}").unlink()
    (world / "again").mkdir()
    os.link("new/long.mp4", "again/long.mp4")
    refused(found("new", "again", option, "out"), 2, "again/long.mp4", f"would both be out/long{kind}")
    assert not any((world / name).exists() for name in ("out", f"out{kind}", "out.txt"))


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        ("examples/red/out.mp4", "examples"),
        ("examples/deep/er", "examples"),
        ("examples", "examples"),
        ("link/out.mp4", "examples"),
        ("new", "new"),
        ("new/../new/copies", "new"),
    ],
)
def test_a_copy_never_becomes_a_video_that_is_read_the_next_time(world, place, folder):
    (world / "link").symlink_to("examples/red")
    (world / "new" / "other.mp4").unlink()
    (world / "new" / "long.mp4").rename("new/long.avi")
    before = sorted(world.rglob("*"))
    ran = found("new", "--annotate", place)
    refused(ran, 2, f"would be one of the videos in {folder} the next time", "write to another folder")
    assert sorted(world.rglob("*")) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_was_written_before_an_interruption_stays_and_nothing_is_half_written(world, monkeypatch, error):
    whole = annotate_module.laid_over

    def interrupted(frame, strip):
        if (world / "out" / "long.mp4").exists():  # the second copy has begun
            raise error
        return whole(frame, strip)

    monkeypatch.setattr(annotate_module, "laid_over", interrupted)
    ran = found("new", "--annotate", "out", "--subtitles", "out", "--timeline", "out", "--csv", "out.csv")
    assert ran.code == (130 if error is KeyboardInterrupt else 1), ran.err
    assert "new/long.mp4" in ran.out and "new/other.mp4" in ran.out  # what was found is seen
    names = sorted(path.name for path in (world / "out").iterdir())
    assert names == ["long.mp4", "long.png", "long.vtt", "other.png", "other.vtt"]
    assert decode(world / "out" / "long.mp4").declared == 96
    unwritten = "new/other.mp4 has been searched, and not all of its files are written"
    assert (unwritten in ran.err) == (error is KeyboardInterrupt) and "new/long.mp4 has been" not in ran.err
    assert {"new/long.mp4", "new/other.mp4"} == videos_of(world / "out.csv")


def videos_of(table):
    return {row["video"] for row in read_rows(table)}


@pytest.mark.slow
def test_a_kill_leaves_no_half_written_copy(world):
    code = (
        "import os, signal, strmctl.videos.write_video as module\n"
        "before, count = module.laid_over, 0\n"
        "def killed(frame, strip):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count == 40: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return before(frame, strip)\n"
        "module.laid_over = killed\n"
        "from strmctl.cli.main import main\n"
        "main()"
    )
    words = ("classify", "--examples", "examples", "--recipe", "small.yaml", "--no-reject", "--window", "1")
    ran = subprocess.run(
        [sys.executable, "-c", code, *words, "new/long.mp4", "--annotate", "out.mp4", "--subtitles", "out.vtt"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == -signal.SIGKILL and "red" in ran.stdout, ran.stderr
    assert (world / "out.vtt").read_text(encoding="utf-8").startswith("WEBVTT") and not (world / "out.mp4").exists()


def test_odd_names_and_classes_reach_all_files(world):
    folder = world / "odd"
    for cls, name in (("red", "a & b <i>"), ("blue", "Käse --> 走る"), ("green", "$x_1$ %d")):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            write_odd_video(folder / name / f"{number}.mp4", plain(cls, 12, number + 7))
    (world / "100% [x].mp4").write_bytes((world / "new" / "long.mp4").read_bytes())
    out = ("--annotate", "o %d.mp4", "--timeline", "ö.svg", "--subtitles", "a b.vtt", "--csv", "$c.csv")
    usual = ("--recipe", "small.yaml", "--device", "cpu", "--no-reject", "--window", 1)
    ran = strmctl("classify", "--examples", "odd", *usual, "100% [x].mp4", *out)
    assert ran.code == 0, ran.err
    assert {row["class"] for row in read_rows(world / "$c.csv")} == {path.name for path in folder.iterdir()}
    assert decode(world / "o %d.mp4").declared == 96 and (world / "ö.svg").exists()
    assert "a &amp; b &lt;i&gt;" in (world / "a b.vtt").read_text(encoding="utf-8")
