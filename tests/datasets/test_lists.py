import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strmctl.datasets.list_readings import plain_lines, read_list
from strmctl.datasets.lists import ListMatch, match_list
from strmctl.errors import DataError

KINETICS = {
    "air drumming/--nQbRBEz2s_000104_000114.mp4": "air drumming",
    "air drumming/-VtLx-4LXI0_000112_000122.mp4": "air drumming",
    "busking/I3__52Xh7oU_000001_000011.mp4": "busking",
    "busking/Zz3456789_-.mkv": "busking",
}
SSV2 = {
    "78687.webm": "Folding something",
    "46768.webm": "Folding something",
    "7.webm": "Putting something, something and something on the table",
}


def match(tmp_path, found, *lines, classes=(), annotated=None):
    """What a list of these lines chooses."""
    path = tmp_path / "list.txt"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return match_list(found, path, classes, annotated or {})


@pytest.mark.parametrize(
    "line",
    [
        "air drumming/--nQbRBEz2s_000104_000114",
        "train/air drumming/--nQbRBEz2s_000104_000114",
        "air_drumming/--nQbRBEz2s_000104_000114.mp4",
        "Air Drumming/--nQbRBEz2s_000104_000114.avi",
        "air drumming/--nqbrbez2s_000104_000114",
        "AIR_DRUMMING/--NQBRBEZ2S_000104_000114.MP4",
        "train0//videos/air_drumming/--nQbRBEz2s_000104_000114.mp4",
        "/data/kinetics/air drumming/--nQbRBEz2s_000104_000114.mp4",
        "./air drumming/--nQbRBEz2s_000104_000114/",
        "--nQbRBEz2s_000104_000114",
        "--nQbRBEz2s_000104_000114.mp4",
        "--nQbRBEz2s",
        "--nQbRBEz2s.mp4",
        "train8/--nqbrbez2s",
        "001.air_drumming/--nQbRBEz2s.mp4",
        "air drumming/--nQbRBEz2s_000104_000114\r",
        "\ufeff--nQbRBEz2s_000104_000114",
        "air drumming/--nQbRBEz2s_000104_000114.mp4 1",
        "air drumming/--nQbRBEz2s_000104_000114 250 0",
        "air drumming/--nQbRBEz2s_000104_000114.mp4,17",
        "air drumming/--nQbRBEz2s_000104_000114\t 3",
        "air drumming/--nQbRBEz2s, 10.5, -1",
    ],
)
def test_spellings_of_one_clip(tmp_path, line):
    assert match(tmp_path, KINETICS, line) == ListMatch(
        {"air drumming/--nQbRBEz2s_000104_000114.mp4": "air drumming"}, [], {"air drumming": (1, 0)}
    )


def test_anonymised_folders(tmp_path):
    lines = ("train8/78687", "train8/1", "train3/46768", "train3/7", "train3/2", "val0/3", "4", "test0/sub/5")
    assert match(tmp_path, SSV2, *lines) == ListMatch(
        {source: SSV2[source] for source in ("78687.webm", "46768.webm", "7.webm")},
        ["train8/1", "train3/2", "val0/3", "4", "test0/sub/5"],
        {
            "": (1, 1),
            "Folding something": (3, 1),  # train8 lies in it; train3 lies in two
            "Putting something, something and something on the table": (1, 0),
            "test0/sub": (1, 1),
            "train3": (1, 1),
            "val0": (1, 1),
        },
    )


def test_an_annotation_knows_the_class_of_a_missing_clip(tmp_path):
    annotated = {"105": "folding_something", "106": "Closing something", "107": "Folding something"}
    lines = ("train5/105", "train8/78687", "train8/106.MP4 3", "train8/9", "107", "train5/105.webm", "105 3")
    matched = match(tmp_path, SSV2, *lines, annotated=annotated)
    assert matched.missing == ["train5/105", "train8/106.MP4 3", "train8/9", "107"]
    assert matched.counts == {"Closing something": (1, 1), "Folding something": (4, 3)}  # 9 by its folder train8
    matched = match(tmp_path, SSV2, "Folding something/106", annotated=annotated)
    assert matched.counts == {"Folding something": (1, 1)}
    with pytest.raises(DataError, match=r"lines 1 and 2 of .*put one clip into two folders: train5/105 and train6/105"):
        match(tmp_path, SSV2, "train5/105", "train6/105", annotated=annotated)


def test_counts_are_sorted_and_a_missing_clip_without_folder_has_no_class(tmp_path):
    assert match(tmp_path, SSV2, "78687", "1").counts == {"": (1, 1), "Folding something": (1, 0)}
    assert list(match(tmp_path, SSV2, "val0/3", "7", "test0/5", "78687").counts) == sorted(
        {*SSV2.values(), "val0", "test0"}
    )


def test_class_names_with_commas_and_columns(tmp_path):
    lines = (
        "Putting something, something and something on the table/7,174",
        "Putting something, something and something on the table/8,174",
        "Folding something/78687,3",
    )
    assert match(tmp_path, SSV2, *lines) == ListMatch(
        {
            "7.webm": "Putting something, something and something on the table",
            "78687.webm": "Folding something",
        },
        ["Putting something, something and something on the table/8,174"],
        {"Folding something": (1, 0), "Putting something, something and something on the table": (2, 1)},
    )


def test_times_that_the_file_lacks(tmp_path):
    matched = match(tmp_path, KINETICS, "busking/Zz3456789_-_000007_000017")
    assert matched == ListMatch({"busking/Zz3456789_-.mkv": "busking"}, [], {"busking": (1, 0)})
    with pytest.raises(DataError, match=r"lines 1 and 2 of .* name two cuts of one file"):
        match(tmp_path, KINETICS, "busking/Zz3456789_-_000007_000017", "busking/Zz3456789_-_000070_000080")


def test_several_cuts_of_one_video(tmp_path):
    found = {f"busking/I3__52Xh7oU_{times}.mp4": "busking" for times in ("000001_000011", "000050_000060")}
    matched = match(tmp_path, found, "busking/I3__52Xh7oU_000050_000060", "busking/I3__52Xh7oU_000007_000017")
    assert list(matched.chosen) == ["busking/I3__52Xh7oU_000050_000060.mp4"]
    assert matched.missing == ["busking/I3__52Xh7oU_000007_000017"]
    with pytest.raises(DataError, match=r"line 1 of .* fits 2 clips: busking/I3__52Xh7oU ") as caught:
        match(tmp_path, found, "busking/I3__52Xh7oU")
    assert all(source in caught.value.message for source in found)
    meant = caught.value.hint.split("`")[1]
    assert match(tmp_path, found, meant).chosen == {meant: "busking"}


def test_only_names_of_kinetics_lose_their_times(tmp_path):
    found = {"walk/april.mp4": "walk", "walk/may_000001_000011.mp4": "walk"}
    assert match(tmp_path, found, "walk/april_000001_000011", "walk/may").chosen == {}


def test_exact_names_win_over_others(tmp_path):
    found = dict.fromkeys(("x/abC.mp4", "x/abc.avi", "x/ABC.mp4.avi", "x/one.mp4", "x/one.avi", "x/Two.mkv"), "x")
    lines = ("x/abc", "x/ABC.mp4", "x/abC", "X/one.avi", "x/two.mov")
    assert list(match(tmp_path, found, *lines).chosen) == [
        "x/abc.avi",
        "x/ABC.mp4.avi",
        "x/abC.mp4",
        "x/one.avi",
        "x/Two.mkv",
    ]
    with pytest.raises(DataError, match=r"line 1 of .* fits 2 clips: x/one \(x/one\.mp4, x/one\.avi\)"):
        match(tmp_path, found, "x/one")


def test_the_class_decides_between_names_that_differ_in_case(tmp_path):
    found = {"walk/A.mp4": "walk", "run/a.mp4": "run"}
    assert match(tmp_path, found, "WALK/a", "run/A").chosen == {"walk/A.mp4": "walk", "run/a.mp4": "run"}
    found = {"walk/aB.mp4": "walk", "run/Ab.mp4": "run"}
    with pytest.raises(DataError, match=r"fits 2 clips: ab \(walk/aB\.mp4, run/Ab\.mp4\)"):
        match(tmp_path, found, "ab")


def test_accents_may_be_composed_or_not(tmp_path):
    assert match(tmp_path, {"walk/caf\u00e9.mp4": "walk"}, "walk/cafe\u0301").missing == []


def test_the_folder_decides_between_names_of_one_class(tmp_path):
    found = dict.fromkeys(("train/walk/a/1.mp4", "train/walk/b/1.mp4", "walk/b/1.mp4", "train/walk/c_d/1.mp4"), "walk")
    lines = ("walk/a/1", "walk/b/1", "train/walk/b/1.mp4", "Walk/C D/1")
    assert list(match(tmp_path, found, *lines).chosen) == [
        "train/walk/a/1.mp4",
        "walk/b/1.mp4",
        "train/walk/b/1.mp4",
        "train/walk/c_d/1.mp4",
    ]


def test_a_path_as_it_is_wins_over_its_last_class(tmp_path):
    found = {"walk/run/1.mp4": "walk", "run/1.mp4": "run"}  # the topmost class folder is a file's class
    assert match(tmp_path, found, "walk/run/1.mp4").chosen == {"walk/run/1.mp4": "walk"}


def test_a_clip_of_another_class_is_missing(tmp_path):
    matched = match(tmp_path, KINETICS, "busking/-VtLx-4LXI0", "Busking/gone_1_2", "juggling/--nQbRBEz2s")
    assert matched == ListMatch(
        {"air drumming/--nQbRBEz2s_000104_000114.mp4": "air drumming"},  # no class is called juggling
        ["busking/-VtLx-4LXI0 (-VtLx-4LXI0_000112_000122.mp4 is of class air drumming)", "Busking/gone_1_2"],
        {"air drumming": (1, 0), "busking": (2, 2)},
    )
    matched = match(tmp_path, KINETICS, "juggling/--nQbRBEz2s", classes=["Juggling"])
    assert matched.chosen == {} and matched.counts == {"Juggling": (1, 1)}


def test_a_clip_listed_twice_counts_once(tmp_path):
    lines = (
        "busking/I3__52Xh7oU_000001_000011",
        "test/Busking/I3__52Xh7oU.mp4",
        "I3__52Xh7oU",
        "busking/gone",
        "BUSKING/gone.mp4",
    )
    matched = match(tmp_path, KINETICS, *lines)
    assert matched.counts == {"busking": (2, 1)} and matched.missing == ["busking/gone"]


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (SSV2, ("train8/78687", "train9/78687")),
        (SSV2, ("Folding something/78687", "Putting something, something and something on the table/78687")),
        (KINETICS, ("busking/I3__52Xh7oU", "air drumming/I3__52Xh7oU_000001_000011")),
        (KINETICS, ("air drumming/I3__52Xh7oU_000001_000011", "busking/I3__52Xh7oU")),
        ({"walk/1.mp4": "walk"}, ("walk/1", "fly/1")),
    ],
)
def test_a_clip_in_two_folders_is_an_error(tmp_path, found, lines):
    with pytest.raises(DataError, match=r"lines \d and \d of .*put one clip into two folders") as caught:
        match(tmp_path, found, *lines)
    assert all(line in caught.value.message for line in lines)


def test_clips_that_each_class_numbers_for_itself(tmp_path):
    found = {"walk/1.mp4": "walk", "walk/2.mp4": "walk", "run/1.mp4": "run"}
    matched = match(tmp_path, found, "walk/1", "run/1", "walk/2", "run/2")
    assert matched.chosen == found
    assert matched.missing == ["run/2 (2.mp4 is of class walk)"]
    assert matched.counts == {"run": (2, 1), "walk": (2, 0)}


def test_names_that_begin_with_a_hash(tmp_path):
    found = {"clap/#20_Rhythm_clap_u_nm.avi": "clap", "golf/Golf_Swing_#6Iron_golf_f_cm.avi": "golf"}
    matched = match(tmp_path, found, "#20_Rhythm_clap_u_nm", "# golf", "golf/Golf_Swing_#6Iron_golf_f_cm", "#21_gone")
    assert matched.chosen == found and matched.missing == ["#21_gone"]


def test_files_without_classes(tmp_path):
    matched = match(tmp_path, {"a.mp4": "", "b.mp4": ""}, "a", "some/b.mp4", "c")
    assert matched == ListMatch({"a.mp4": "", "b.mp4": ""}, ["c"], {"": (3, 1)})


def test_a_list_of_which_nothing_is_there(tmp_path):
    assert match(tmp_path, KINETICS, "train8/1") == ListMatch({}, ["train8/1"], {"train8": (1, 1)})
    assert match(tmp_path, KINETICS, "# nothing") == ListMatch({}, [], {})


names = st.text("aB#-_é1. ", min_size=1, max_size=5).map(str.strip).filter(lambda name: name not in ("", "."))
clips = st.sets(st.tuples(st.sampled_from(["Side Kick", "hurling (sport)", "run"]), names), min_size=1, max_size=12)
spelt_classes = st.sampled_from([str, str.upper, str.casefold, lambda cls: cls.replace(" ", "_")])
spelt_names = st.sampled_from([str, str.swapcase, "{}.mp4".format, "{}.AVI".format])
before = st.sampled_from(["", "train/", "./", "train8//videos/", "/data/run/"])


@settings(deadline=None, max_examples=50)
@given(clips=clips, label=st.sampled_from(["", " 777", ",777", " 777 778"]), data=st.data())
def test_any_accepted_spelling_chooses_its_file(tmp_path_factory, clips, label, data):
    found = {f"{cls}/{name}.mp4": cls for cls, name in sorted(clips)}
    folded = [source.casefold() for source in found]
    lines, expected = [], {}
    for cls, name in sorted(clips):
        source = f"{cls}/{name}.mp4"
        if folded.count(source.casefold()) == 1 and data.draw(st.booleans()):
            spelt = data.draw(spelt_classes)(cls), data.draw(spelt_names)(name)
            lines.append(data.draw(before) + "/".join(spelt) + label)
            expected[source] = cls
    matched = match(tmp_path_factory.mktemp("lists"), found, *lines)
    assert matched.chosen == expected and matched.missing == []
    assert {cls: count.listed for cls, count in matched.counts.items()} == {
        cls: list(expected.values()).count(cls) for cls in sorted({*expected.values()})
    }


def test_read_takes_names_that_begin_with_a_hash_or_hold_odd_line_ends(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("#\r\n#20_Rhythm_clap_u_nm\r\n  #\tcomment\r\n#\r\na\u2028b\x0cc\r\n#1".encode())
    assert plain_lines(read_list(path), path) == [(2, "#20_Rhythm_clap_u_nm"), (5, "a\u2028b\x0cc"), (6, "#1")]


def test_what_is_no_text_is_a_data_error(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"busking/\xff\n")
    with pytest.raises(DataError, match=r"list\.txt cannot be read"):
        match_list({}, path)
    with pytest.raises(DataError, match="No such file"):
        match_list({}, tmp_path / "none.txt")


def test_numbers_are_part_of_the_name_unless_most_lines_end_in_them(tmp_path):
    found = {"walk/video.mp4": "walk", "walk/video 2.mp4": "walk", "walk/other.mp4": "walk"}
    assert match(tmp_path, found, "walk/other", "walk/video", "walk/video 3").missing == ["walk/video 3"]
    matched = match(tmp_path, found, "walk/video 3", "walk/video 2 3", "walk/gone 3")
    assert list(matched.chosen) == ["walk/video.mp4", "walk/video 2.mp4"]
    assert matched.missing == ["walk/gone 3"]


def test_single_lines_may_end_in_more_numbers_than_most(tmp_path):
    found = {**KINETICS, **dict.fromkeys(("busking/take 2.mp4", "busking/one.mp4", "busking/one.avi"), "busking")}
    lines = (
        "train8/--nQbRBEz2s_000104_000114.MP4 3",
        "busking/Zz3456789_- 250 0",
        "Busking/Zz3456789_- 250 0",
        "busking/take 2 17",
        "busking/take 3",
        "busking/gone.mp4 3",
        "busking/gone.mp4",
        "air drumming/I3__52Xh7oU 4",
        "busking/one 2",  # might be one.mp4 or one.avi
        *(f"busking/{name}" for name in "abcdefgh"),
    )
    matched = match(tmp_path, found, *lines)
    assert list(matched.chosen) == [
        "air drumming/--nQbRBEz2s_000104_000114.mp4",
        "busking/Zz3456789_-.mkv",
        "busking/take 2.mp4",
    ]
    assert matched.missing[:4] == [
        "busking/take 3",
        "busking/gone.mp4 3",
        "air drumming/I3__52Xh7oU 4 (I3__52Xh7oU_000001_000011.mp4 is of class busking)",
        "busking/one 2",
    ]
    assert matched.counts == {"air drumming": (2, 1), "busking": (13, 11)}


def test_a_number_is_no_column_where_another_line_names_the_file(tmp_path):
    for lines in (("walk/a 1", "walk/a", "walk/b"), ("walk/a", "walk/a 1", "walk/b")):
        matched = match(tmp_path, {"walk/a.mp4": "walk"}, *lines)
        assert matched.missing == ["walk/a 1", "walk/b"] and matched.counts == {"walk": (3, 2)}
    with pytest.raises(DataError, match=r"line 1 of .* fits 2 clips: x/a\.mp4 1 "):
        match(tmp_path, dict.fromkeys(("x/1/a.mp4", "x/2/a.mp4"), "x"), "x/a.mp4 1", "x/b", "x/c")


def test_a_csv_of_kinetics(tmp_path):
    lines = (
        "label,youtube_id,time_start,time_end,split,is_cc",
        "air drumming,-VtLx-4LXI0,112,122,train,0",
        "air drumming,--nQbRBEz2s,5,15,val,0",
        '"busking",I3__52Xh7oU,1,11,val,1',
    )
    assert match(tmp_path, KINETICS, *lines) == ListMatch(
        {
            "air drumming/-VtLx-4LXI0_000112_000122.mp4": "air drumming",
            "busking/I3__52Xh7oU_000001_000011.mp4": "busking",
        },
        ["air drumming/--nQbRBEz2s_000005_000015"],
        {"air drumming": (2, 1), "busking": (1, 0)},
    )
    with pytest.raises(DataError, match=r"line 2 of .* has no youtube_id: air drumming"):
        match(tmp_path, KINETICS, "label,youtube_id", "air drumming")
    assert len(match(tmp_path, KINETICS, "youtube_id", "-VtLx-4LXI0").chosen) == 1
