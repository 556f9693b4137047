import json
import os
from pathlib import Path

import pytest

from strmctl.datasets.catalogue import DATA_SETS, DataSet, is_folder, known_dataset
from strmctl.datasets.names import UNFINISHED
from strmctl.datasets.scan import clip_ids, scan
from strmctl.datasets.splits import Split, load_split
from strmctl.errors import DataError, UsageError
from tests.datasets.test_names import LEFT_BEHIND


def touch(folder: Path, *names: str) -> Path:
    """Empty files: a scan reads no pixel."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def scan_known(name: str, folder: Path, **options):
    return scan(DATA_SETS[name], load_split(name), folder, **options)


def test_ucf101_takes_the_class_from_the_folder(tmp_path):
    touch(tmp_path, "HandstandPushups/v_HandStandPushups_g01_c02.avi", "Archery/v_Archery_g25_c07.AVI", "Archery/x.txt")
    found = scan_known("ucf101", tmp_path)
    assert [(clip.clip, clip.cls, clip.subset, clip.group) for clip in found.clips] == [
        ("Archery/v_Archery_g25_c07", "Archery", "train", "Archery/g25"),
        ("HandstandPushups/v_HandStandPushups_g01_c02", "HandstandPushups", "val", "HandstandPushups/g01"),
    ]
    assert found.clips[0].source == "Archery/v_Archery_g25_c07.AVI"
    assert found.ignored == {"no video suffix": ["Archery/x.txt"]}


@pytest.mark.parametrize("name", ["hmdb51", "jhmdb"])
def test_hmdb51_groups_are_matched_from_the_right(tmp_path, name):
    touch(
        tmp_path,
        "kick_ball/A_kick_ball_film_kick_ball_f_cm_np1_ba_bad_12.avi",
        "run/April_09_run_u_nm_np2_fr_goo_0.avi",
        "run/something_else.avi",
    )
    groups = {clip.clip: (clip.subset, clip.group) for clip in scan_known(name, tmp_path).clips}
    assert groups == {
        "kick_ball/A_kick_ball_film_kick_ball_f_cm_np1_ba_bad_12": ("test", "A_kick_ball_film"),
        "run/April_09_run_u_nm_np2_fr_goo_0": ("test", "April_09"),
        "run/something_else": ("test", "run/something_else"),
    }


def test_kinetics_spellings_and_odd_ids(tmp_path):
    touch(
        tmp_path,
        "air drumming/-aB_c-d_ef_000010_000020.mp4",
        "Side_Kick/__x_000001_000011.mp4",
        "hurling_(sport)/abc_000001_000011.mp4",
        "abseiling/zzz_000001_000011.mp4",
    )
    found = scan_known("kinetics100", tmp_path)
    assert [(clip.clip, clip.cls, clip.subset, clip.group) for clip in found.clips] == [
        ("Side_Kick/__x_000001_000011", "side kick", "test", "__x"),
        ("air drumming/-aB_c-d_ef_000010_000020", "air drumming", "train", "-aB_c-d_ef"),
        ("hurling_(sport)/abc_000001_000011", "hurling (sport)", "test", "abc"),
    ]
    assert found.ignored == {"class not in the split": ["abseiling/zzz_000001_000011.mp4"]}


def test_class_folders_may_lie_deeper(tmp_path):
    touch(tmp_path, "train/busking/a_000001_000002.mp4", "busking/part1/b_000001_000002.mp4")
    assert {clip.clip: clip.cls for clip in scan_known("kinetics100", tmp_path).clips} == {
        "train/busking/a_000001_000002": "busking",
        "busking/part1/b_000001_000002": "busking",
    }


def ssv2_folder(tmp_path: Path, labels: str, names: tuple[str, str]) -> Path:
    """Five clips; 3 is of a test class and stands in the training annotation."""
    train = {
        "1": "Folding [something]",
        "3": "Picking [something] up",
        "5": "Eating [something]",
        "6": "Folding [something]",
    }
    validation = {"2": "Picking [something] up", "4": "Folding [something]", "7": "Pushing [something] so it spins"}
    for name, entries in zip(names, (train, validation), strict=True):
        path = tmp_path / labels / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([{"id": clip, "template": template} for clip, template in entries.items()]))
    return touch(tmp_path / "clips", *(f"{number}.webm" for number in (1, 2, 3, 4, 5, 7)))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ("clips", ("train.json", "validation.json")),
        (".", ("something-something-v2-train.json", "something-something-v2-validation.json")),
        ("labels", ("train.json", "validation.json")),
    ],
)
def test_ssv2_takes_each_subset_from_its_own_annotation(tmp_path, labels, names):
    found = scan_known("ssv2", ssv2_folder(tmp_path, labels, names))
    assert {clip.clip: (clip.cls, clip.subset) for clip in found.clips} == {
        "1": ("Folding something", "train"),
        "2": ("Picking something up", "test"),
        "7": ("Pushing something so it spins", "val"),
    }
    assert found.missing == ["6"]
    assert found.ignored["not among the clips of the split"] == ["3.webm", "4.webm", "5.webm"]


def test_ssv2_small_takes_its_classes_from_both_annotations(tmp_path):
    folder = touch(tmp_path, "1.webm", "2.webm", "3.webm")
    entries = [{"id": "1", "template": "Twisting [something]"}, {"id": "3", "template": "Eating [something]"}]
    (tmp_path / "train.json").write_text(json.dumps(entries))
    (tmp_path / "validation.json").write_text(json.dumps([{"id": "2", "template": "Twisting [something]"}]))
    found = scan_known("ssv2_small", folder)
    assert [(clip.clip, clip.subset) for clip in found.clips] == [("1", "test"), ("2", "test")]


def test_annotations_are_taken_from_the_folder_that_is_named(tmp_path):
    folder = ssv2_folder(tmp_path, "elsewhere/labels", ("train.json", "validation.json"))
    with pytest.raises(DataError, match=r"no annotation file train\.json") as caught:
        scan_known("ssv2", folder)
    assert "--annotations DIR" in caught.value.hint
    assert len(scan_known("ssv2", folder, annotations=tmp_path / "elsewhere").clips) == 3


def test_a_list_selects(tmp_path):
    touch(tmp_path / "v", "air drumming/a_1_2.mp4", "air drumming/b_1_2.mp4", "busking/a_1_2.mp4", "busking/c_1_2.mp4")
    listed = tmp_path / "list.txt"
    listed.write_text("# two\nair_drumming/a_1_2\n\nc_1_2.mp4\nbusking/gone_1_2\nbusking/b_1_2\n")
    found = scan_known("kinetics100", tmp_path / "v", list_file=listed)
    assert [clip.clip for clip in found.clips] == ["air drumming/a_1_2", "busking/c_1_2"]
    assert found.missing == ["busking/gone_1_2", "busking/b_1_2 (b_1_2.mp4 is of class air drumming)"]
    assert found.listed == {"air drumming": (1, 0), "busking": (3, 2)}
    assert found.ignored["not on the list"] == ["air drumming/b_1_2.mp4", "busking/a_1_2.mp4"]
    listed.write_text("a_1_2\n")
    with pytest.raises(DataError, match=r"line 1 .* fits 2 clips"):
        scan_known("kinetics100", tmp_path / "v", list_file=listed)


def test_a_folder_of_ones_own(tmp_path):
    touch(tmp_path, "walk/a.mp4", "fly/b.mkv", "loose.mp4", ".hidden/c.mp4", "walk/.d.mp4")
    own = DataSet("mine", "mine", "class_folders")
    split = Split("mine", "mine", "", {"train": {"Walk": None}, "val": {}, "test": {"run": None}})
    found = scan(own, split, tmp_path)
    assert [(clip.clip, clip.cls, clip.subset) for clip in found.clips] == [("walk/a", "Walk", "train")]
    assert found.ignored == {"class not in the split": ["fly/b.mkv"], "not in a class folder": ["loose.mp4"]}
    assert [(clip.cls, clip.subset) for clip in scan(own, None, tmp_path).clips] == [("fly", ""), ("walk", "")]


def test_flat_takes_the_videos_of_one_folder(tmp_path):
    touch(tmp_path, "b.MOV", "a.mp4", "README.md", "deeper/c.mp4")
    found = scan(DataSet("odd", "odd", "flat"), None, tmp_path)
    assert [(clip.clip, clip.cls, clip.subset, clip.group) for clip in found.clips] == [
        ("a", "", "", "a"),
        ("b", "", "", "b"),
    ]
    assert found.ignored == {"no video suffix": ["README.md"]}


def test_a_tree_takes_the_videos_of_all_folders(tmp_path):
    touch(tmp_path, "b.MOV", "a/a.mp4", "a/deeper/c.mp4", "a/notes.txt", ".x/d.mp4")
    found = scan(DataSet("odd", "odd", "tree"), None, tmp_path)
    assert [(clip.source, clip.cls) for clip in found.clips] == [("a/a.mp4", ""), ("a/deeper/c.mp4", ""), ("b.MOV", "")]
    assert found.ignored == {"no video suffix": ["a/notes.txt"]}


@pytest.mark.parametrize("layout", ["class_folders", "flat", "tree"])
def test_what_a_system_puts_beside_files_is_left_out_without_a_word(tmp_path, layout):
    folder = touch(tmp_path, "walk/a.mp4" if layout == "class_folders" else "a.mp4")
    for name in LEFT_BEHIND:
        touch(folder, f"{name}.files/b.mp4" if name.startswith(".") else f"{name}/b.mp4", f"walk/{name}/c.mp4")
    touch(folder, "walk/_/Thumbs.db", "walk/_/~$a.mp4")
    touch(folder, "__MACOSX/walk/._a.mp4", "__MACOSX/walk/b.mp4", "Thumbs.db", "desktop.ini", ".DS_Store")
    touch(folder, "walk/Thumbs.db", "walk/Desktop.ini", "walk/._a.mp4", "walk/__macosx/c.mp4")
    found = scan(DataSet("odd", "odd", layout), None, folder)
    assert (len(found.clips), found.ignored) == (1, {})


def test_halves_of_downloads_are_named(tmp_path):
    touch(tmp_path, "walk/a.mp4", "walk/b.mp4.part", "walk/c.mp4.download/c.mp4", "run.part/d.mp4")
    found = scan(DataSet("odd", "odd", "class_folders"), None, tmp_path)
    assert [clip.clip for clip in found.clips] == ["walk/a"]
    assert found.ignored == {UNFINISHED: ["run.part", "walk/b.mp4.part", "walk/c.mp4.download"]}


def test_colliding_names_keep_their_suffix():
    assert clip_ids(["x/a.mp4", "x/a.avi", "x/b.mp4", "y/a.mp4"]) == {
        "x/a.mp4": "x/a.mp4",
        "x/a.avi": "x/a.avi",
        "x/b.mp4": "x/b",
        "y/a.mp4": "y/a",
    }
    three = clip_ids(["a.mp4", "a.avi", "a.mp4.mkv", "A.mov"])
    assert three == {name: name for name in three}


def test_links_are_followed_once(tmp_path):
    touch(tmp_path / "elsewhere", "a_g01_c01.avi")
    videos = touch(tmp_path / "videos", "Archery/b_g01_c01.avi")
    (videos / "Biking").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (videos / "Archery" / "up").symlink_to(videos, target_is_directory=True)
    (videos / "Archery" / "c_g01_c01.avi").symlink_to(tmp_path / "elsewhere" / "a_g01_c01.avi")
    (videos / "Archery" / "d_g01_c01.avi").symlink_to(tmp_path / "nowhere")
    target = str(tmp_path / "elsewhere" / "a_g01_c01.avi")
    assert [(clip.clip, clip.target) for clip in scan_known("ucf101", videos).clips] == [
        ("Archery/b_g01_c01", ""),
        ("Archery/c_g01_c01", target),
        ("Archery/d_g01_c01", str(tmp_path / "nowhere")),
        ("Biking/a_g01_c01", target),
    ]


def test_a_name_that_is_not_unicode_or_has_control_characters_is_ignored_with_a_reason(tmp_path):
    touch(tmp_path, "walk/a.mp4", "walk/b\r.mp4", "walk/c\n.mp4", "walk/d\x85.mp4", "r\tun/e.mp4", "walk/é\u2028.mp4")
    touch(tmp_path, os.fsdecode(b"walk/f\xff.mp4"))
    found = scan(DataSet("odd", "odd", "class_folders"), None, tmp_path)
    assert [clip.clip for clip in found.clips] == ["walk/a", "walk/é\u2028"]
    assert found.ignored == {
        "file name is not valid Unicode or has control characters": [
            "r?un/e.mp4",
            "walk/b?.mp4",
            "walk/c?.mp4",
            "walk/d?.mp4",
            "walk/f?.mp4",
        ]
    }


@pytest.mark.parametrize("name", ["ucf101", "hmdb51", "jhmdb", "kinetics100", "ssv2"])
def test_a_missing_folder_says_where_the_data_is_to_be_had(tmp_path, name):
    with pytest.raises(DataError, match=r"no folder of videos at .*none") as caught:
        scan_known(name, tmp_path / "none")
    assert DATA_SETS[name].home in caught.value.hint and "--videos DIR" in caught.value.hint
    assert ("--annotations DIR" in caught.value.hint) == (name == "ssv2")


def test_a_folder_without_a_clip_says_what_it_holds(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    with pytest.raises(DataError, match="2 files: not in a class folder") as caught:
        scan(DataSet("mine", "mine", "class_folders"), None, tmp_path)
    assert "--flat" in caught.value.hint


def test_names_and_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ucf101", "mine"):
        (tmp_path / name).mkdir()
    assert [is_folder(word) for word in ("./x", "mine", "ucf101", "./ucf101", "other")] == [
        True,
        True,
        False,
        True,
        False,
    ]
    touch(tmp_path, "a.mp4", "hmdb51")
    assert is_folder("a.mp4") and not is_folder("hmdb51")
    with pytest.raises(UsageError, match="unknown data set 'other'") as caught:
        known_dataset("other")
    assert "ssv2_small" in caught.value.hint


def test_listed_clips_without_a_file_count_for_the_class_of_their_annotation(tmp_path):
    folder = ssv2_folder(tmp_path, "labels", ("train.json", "validation.json"))
    annotated = json.loads((tmp_path / "labels" / "train.json").read_text())
    annotated.append({"id": "105", "template": annotated[0]["template"]})
    (tmp_path / "labels" / "train.json").write_text(json.dumps(annotated))
    (tmp_path / "list.txt").write_text(f"train5/{annotated[0]['id']}\ntrain5/105\n")
    found = scan_known("ssv2", folder, list_file=tmp_path / "list.txt")
    cls = annotated[0]["template"].replace("[", "").replace("]", "")
    assert (found.missing, found.listed) == (["train5/105"], {cls: (2, 1)})
