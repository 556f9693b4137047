"""`strmctl prepare` over frames that are extracted already, and of what lists name."""

import re
import shlex
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from strmctl.draws import Draws
from strmctl.episodes.clip_loader import ClipLoader
from strmctl.frames.store.store import FrameStore
from tests.frames.in_place.frames_for_tests import image, write_tree
from tests.frames.prepare.test_prepare import digests
from tests.small_world import CLASSES, class_folders, evaluate, read_rows, train, write_split
from tests.videos_for_tests import strmctl, write_video

ONE = ("--workers", "1")
CLIPS = sorted(f"{cls}/{number}" for classes in CLASSES.values() for cls in classes for number in range(3))


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """A data folder with the store `plain`, made from videos, and its images in folders and in a zip; tests read it."""
    folder = tmp_path_factory.mktemp("twins")
    class_folders(folder / "videos", [cls for classes in CLASSES.values() for cls in classes])
    write_split(folder / "mine.yaml", CLASSES)
    words = ("prepare", f"{folder}/videos", "--name", "plain", "--split", folder / "mine.yaml", "--size", "40")
    assert strmctl(*words, "--data", folder / "data", *ONE).code == 0
    with zipfile.ZipFile(folder / "frames.zip", "w") as everything:
        for clip in CLIPS:
            with zipfile.ZipFile(folder / "data" / "plain" / "frames" / f"{clip}.zip") as archive:
                archive.extractall(folder / "frames" / clip)
                for name in archive.namelist():
                    everything.writestr(f"rawframes/{clip}/{name}", archive.read(name))
    return folder


def take(twins, data, kind, *words):
    """`strmctl prepare taken` from the folder or the zip of images."""
    where = twins / ("frames" if kind == "folder" else "frames.zip")
    return strmctl("prepare", "taken", "--frames-from", where, "--data", data, *words)


def follow(text):
    """Runs the command that the reason of a failed clip advises, as it was typed."""
    return strmctl(*shlex.split(re.search(r"; `strmctl ([^`]+)`", text)[1]), *ONE)


SERIES = {
    "two formats of a frame": (["{:05d}.jpg", "{:05d}.png"], "*.jpg"),
    "capitals": (["IMG_{}.JPG", "img_{}.jpg"], "IMG_*.JPG"),
    "capitals in the suffix": (["{}.JPG", "{}.jpg"], "*.JPG"),
    "a quote": (["it's {}.png", "mask of it's {}.png"], "it's *.png"),
}


@pytest.mark.parametrize("case", SERIES)
def test_the_command_that_chooses_a_series_works_as_typed(tmp_path, case):
    forms, chosen = SERIES[case]
    files = {f"hop/my clip/{form.format(number)}": image(number) for form in forms for number in range(9)}
    words = ("prepare", "taken", "--frames-from", write_tree(tmp_path / "my frames", files), "--data", tmp_path, *ONE)
    ran = strmctl(*words)
    assert ran.code == 3 and f"` takes {chosen}, for example" in ran.err
    assert follow(ran.err).code == 0
    (row,) = FrameStore.open(tmp_path, "taken").rows
    assert (row.status, row.frames) == ("ok", 9)


def test_two_images_of_a_frame_that_no_pattern_tells_apart_are_named(tmp_path):
    files = {f"hop/v/{name}": image(1) for name in ("1.jpg", "01.jpg", "2.jpg", "3.jpg")}
    ran = strmctl("prepare", "taken", "--frames-from", write_tree(tmp_path / "f", files), "--data", tmp_path, *ONE)
    assert ran.code == 3 and "01.jpg and 1.jpg are the same frame; keep one image of each frame\n" in ran.err


@pytest.mark.parametrize("pattern", ["nope*", "img_*", "IMG_*.jpg"])
def test_a_pattern_that_fits_no_image_is_answered_with_names(tmp_path, pattern):
    files = {f"hop/v/IMG_{number}.JPG": image(number) for number in range(9)}
    words = ("prepare", "taken", "--frames-from", write_tree(tmp_path / "f", files), "--data", tmp_path, *ONE)
    ran = strmctl(*words, "--frames-pattern", pattern, "--json")
    error = ran.json()["error"]
    assert ran.code == 3 and f"fits --frames-pattern {pattern!r}; hop/v holds IMG_0.JPG, IMG_1.JPG" in error["message"]
    assert error["hint"] == "`--frames-pattern 'IMG_*.JPG'` fits some of them"
    assert strmctl(*words, "--frames-pattern", "IMG_*.JPG").code == 0


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_frames_that_are_extracted_give_the_same_pixels_as_videos(twins, tmp_path, kind):
    before = digests(twins)
    ran = take(twins, tmp_path, kind, "--split", twins / "mine.yaml", *ONE)
    assert ran.code == 0 and ran.out.startswith("taken: 24 clips\n") and "24 of 24 clips stored" in ran.err
    assert digests(twins) == before and digests(tmp_path).keys() == {"taken/manifest.csv", "taken/store.json"}
    plain, taken = FrameStore.open(twins / "data", "plain"), FrameStore.open(tmp_path, "taken")
    for subset in CLASSES:  # the same ids, hence the same episodes, whatever folder an archive puts around them
        assert taken.clips(subset) == plain.clips(subset) and plain.clips(subset).keys() == {*CLASSES[subset]}
    loaders = [ClipLoader(store, frames=8, size=40, crop=32, flip=True) for store in (plain, taken)]
    for clip in CLIPS:
        for draws in ((None, None), (Draws("same"), Draws("same"))):
            first, second = (loader.load(clip, draw) for loader, draw in zip(loaders, draws, strict=True))
            assert torch.equal(first, second) and first.float().std() > 0
    with ThreadPoolExecutor(2) as pool:
        many = loaders[1].load_many(CLIPS, pool)
    assert torch.equal(many, torch.stack([loaders[0].load(clip) for clip in CLIPS]))


def test_train_and_eval_read_them(twins, tmp_path):
    assert take(twins, tmp_path / "taken", "zip", "--split", twins / "mine.yaml", *ONE).code == 0
    shutil.copytree(twins / "data" / "plain", tmp_path / "plain" / "plain")
    rows = {}
    for name in ("plain", "taken"):
        runs = tmp_path / name / "runs"
        ran = train(tmp_path / name, runs, changes=(f"data.dataset={name}",))
        assert ran.code == 0, ran.err
        ran = evaluate(tmp_path / name, runs)
        assert ran.code == 0, ran.err
        losses = [row["loss"] for row in read_rows(runs / "latest" / "train.csv") if row["loss"]]
        rows[name] = losses, read_rows(next((runs / "latest" / "eval").glob("*.csv")))
    losses, predicted = rows["taken"]
    assert losses and predicted and rows["taken"] == rows["plain"]


def test_a_dry_run_stores_nothing_and_says_so(twins, tmp_path):
    ran = take(twins, tmp_path, "zip", "--dry-run")
    assert ran.code == 0 and list(tmp_path.iterdir()) == []
    assert "24 clips would be read, 0 are there; no frames would be stored. Nothing was written." in ran.err
    assert take(twins, tmp_path, "zip", *ONE).code == 0
    assert "0 clips would be read, 24 are there" in take(twins, tmp_path, "zip", "--dry-run").err


def test_shards_of_frames_make_the_same_store(twins, tmp_path):
    """Without a split, classes are the folders above the clips."""
    for index in (1, 2):
        assert take(twins, tmp_path / "shards", "zip", "--shard", f"{index}/2", *ONE).code == 0
    assert take(twins, tmp_path / "shards", "zip", "--merge").code == 0
    assert take(twins, tmp_path / "plain", "zip", *ONE).code == 0
    assert digests(tmp_path / "shards") == digests(tmp_path / "plain")
    classes = FrameStore.open(tmp_path / "plain", "taken").clips("")
    assert {cls: len(clips) for cls, clips in classes.items()} == dict.fromkeys(
        (cls for names in CLASSES.values() for cls in names), 3
    )


@pytest.mark.parametrize(
    ("what", "words", "part"),
    [
        ("taken", ("--size", "32"), "--frames-from takes frames as they are"),
        ("taken", ("--quality", "80"), "--frames-from takes frames as they are"),
        ("taken", ("--frames", "8"), "--frames-from takes frames as they are"),
        ("ucf101", ("--videos", "v"), "--frames-from takes frames where they lie"),
        ("taken", ("--frames-pattern", ""), "'' is no pattern for the names of images"),
        ("taken", ("--frames-pattern", "rgb/*.jpg"), "'rgb/*.jpg' is no pattern for the names of images"),
        ("ucf101", ("--download",), "--download puts the videos"),
        ("taken", ("--download",), "--download is for a data set"),
        ("sprites", (), "sprites are rendered"),
        ("./videos", ("--name", "mine"), "a folder of videos beside it makes no sense"),
    ],
)
def test_options_that_clash_are_exit_2(twins, tmp_path, what, words, part):
    ran = strmctl("prepare", what, "--frames-from", twins / "frames.zip", "--data", tmp_path / "data", *words)
    assert (ran.code, ran.out) == (2, "") and part in ran.err and list(tmp_path.iterdir()) == []


def test_a_list_counts_what_is_missing_per_class_for_people_and_machines(tmp_path):
    for number in range(2):
        write_video(tmp_path / "v" / "Side Kick" / f"{number}.mp4", seed=number)
        write_video(tmp_path / "v" / "busking" / f"b{number}.mp4", seed=number)
    (tmp_path / "list.txt").write_text(
        "side kick/0\nSIDE_KICK/1.mp4\nside kick/7\nbusking/b0\nbusking/b8\nbusking/b9\nyoga/x\n"
    )
    words = ("prepare", f"{tmp_path}/v", "--name", "m", "--list", tmp_path / "list.txt", "--data", tmp_path, *ONE)
    ran = strmctl(*words)
    assert ran.code == 0 and ran.out.startswith("m: 3 clips\n")
    assert "missing: 4 listed clips: side kick/7, busking/b8, busking/b9, yoga/x\n" in ran.err
    assert "missing by class: Side Kick 1 of 3, busking 2 of 3, yoga 1 of 1 (all with --json)\n" in ran.err
    assert "ignored: 1 (not on the list): busking/b1.mp4" in ran.err
    document = strmctl(*words, "--json").json()
    assert document["listed"] == {
        "Side Kick": {"listed": 3, "missing": 1},
        "busking": {"listed": 3, "missing": 2},
        "yoga": {"listed": 1, "missing": 1},
    }
    assert document["missing_clips"] == ["side kick/7", "busking/b8", "busking/b9", "yoga/x"]
    (tmp_path / "all.txt").write_text("side kick/0\nbusking/b0\n")
    other = strmctl(*words[:2], "--name", "all", "--list", tmp_path / "all.txt", "--data", tmp_path, *ONE)
    assert other.code == 0 and "missing" not in other.err


@pytest.fixture(scope="module")
def mixed(twins, tmp_path_factory):
    """The images of `twins` with optical flow, masks and a cover beside them, in folders and in a zip."""
    folder = tmp_path_factory.mktemp("mixed")
    with zipfile.ZipFile(folder / "frames.zip", "w") as everything:
        for clip in CLIPS:
            (folder / "frames" / clip).mkdir(parents=True)
            for image in (twins / "frames" / clip).iterdir():
                for name in (f"img_{image.name}", f"flow_x_{image.name}", f"flow_y_{image.name}"):
                    shutil.copy(image, folder / "frames" / clip / name)
            (folder / "frames" / clip / "cover.jpg").touch()
            (folder / "frames" / clip / ".DS_Store").touch()
            for path in (folder / "frames" / clip).iterdir():
                everything.write(path, f"{clip}/{path.name}")
    return folder


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_images_of_other_names_beside_the_frames_are_no_data(twins, mixed, tmp_path, kind):
    ran = take(mixed, tmp_path, kind, "--split", twins / "mine.yaml", *ONE)
    images = len(list((twins / "frames" / CLIPS[0]).iterdir()))
    series = ", ".join(f"{name}_*.jpg ({images})" for name in ("flow_x", "flow_y", "img"))
    assert ran.code == 3 and f"failed: {CLIPS[0]}: 3 series of images: {series}; `strmctl prepare" in ran.err
    assert follow(ran.err).code == 0
    assert take(mixed, tmp_path, kind, "--split", twins / "mine.yaml", *ONE, "--redo").code == 3
    assert ran.err.count("ignored:") == 1 and f"ignored: {len(CLIPS)} (no number in the name of the image)" in ran.err
    other = take(mixed, tmp_path, kind, "--split", twins / "mine.yaml", *ONE, "--frames-pattern", "img_*.jpg")
    assert other.code == 2 and "made with frames_pattern None, now img_*.jpg" in other.err and "--redo" in other.err
    words = ("--split", twins / "mine.yaml", *ONE, "--redo", "--frames-pattern", "img_*.jpg", "--json")
    ran = take(mixed, tmp_path, kind, *words)
    document = ran.json()
    assert ran.code == 0 and (document["done"], document["failed"]) == (len(CLIPS), [])
    counts = {
        "no number in the name of the image": len(CLIPS),
        "--frames-pattern does not fit": 2 * images * len(CLIPS),
    }
    assert {why["reason"]: why["files"] for why in document["ignored_because"]} == counts
    assert document["ignored"] == sum(counts.values()) and "ignored_counts" not in document
    plain, taken = FrameStore.open(twins / "data", "plain"), FrameStore.open(tmp_path, "taken")
    assert taken.prepare_command.endswith("--frames-pattern 'img_*.jpg'")
    for clip in CLIPS:
        frames = taken.by_id[clip].frames
        assert frames == plain.by_id[clip].frames == images
        assert taken.read(clip, range(frames)) == plain.read(clip, range(frames))
    assert strmctl("data", "check", "taken", "--data", tmp_path).code == 0
    assert take(mixed, tmp_path, kind, "--split", twins / "mine.yaml", *ONE).code == 2  # without the pattern


def test_shards_keep_their_pattern(mixed, tmp_path):
    for index in (1, 2):
        assert take(mixed, tmp_path, "zip", "--shard", f"{index}/2", *ONE, "--frames-pattern", "img_*").code == 0
    ran = take(mixed, tmp_path, "zip", "--merge")
    assert ran.code == 2 and "another frames_pattern" in ran.err and "--frames-pattern 'img_*' --merge" in ran.err
    assert take(mixed, tmp_path, "zip", "--merge", "--frames-pattern", "img_*").code == 0
    assert {row.status for row in FrameStore.open(tmp_path, "taken").rows} == {"ok"}
