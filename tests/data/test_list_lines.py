import pytest

from strmctl.data.list_lines import ListLine, read_lines, read_list
from strmctl.data.lists import ListMatch
from strmctl.errors import DataError
from tests.data.lists_for_tests import KINETICS, match


def test_read_skips_blank_lines_and_comments(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# the list\n\n a b/c_1_2.mp4 \nd\n")
    assert list(read_list(path)) == [(3, "a b/c_1_2.mp4"), (4, "d")]


def test_read_takes_names_that_begin_with_a_hash_or_hold_odd_line_ends(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("#\r\n#20_Rhythm_clap_u_nm\r\n  #\tcomment\r\n#\r\na\u2028b\x0cc\r\n#1".encode())
    assert list(read_list(path)) == [(2, "#20_Rhythm_clap_u_nm"), (5, "a\u2028b\x0cc"), (6, "#1")]


def test_what_is_no_text_is_a_data_error(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"busking/\xff\n")
    with pytest.raises(DataError, match=r"list\.txt cannot be read"):
        list(read_lines(path, ()))
    with pytest.raises(DataError, match="No such file"):
        list(read_lines(tmp_path / "none.txt", ()))


def test_what_a_line_says(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# head\ntrain8/side_kick/./a 1.avi 3, 4.5\ntrain8//Sub_A/a,3\n7\n")
    assert list(read_lines(path, {"side kick"})) == [
        ListLine(
            2,
            "train8/side_kick/./a 1.avi 3, 4.5",
            "train8/side_kick",
            "side kick",
            ["a 1.avi 3, 4.5", "a 1.avi 3", "a 1.avi"],
        ),
        ListLine(3, "train8//Sub_A/a,3", "train8/Sub_A", "train8/sub a", ["a,3", "a"]),
        ListLine(4, "7", "", "", ["7"]),
    ]


@pytest.mark.parametrize(
    ("names", "usual", "likely"),
    [
        (["a 1 2", "a 1", "a"], 1, ["a 1 2"]),
        (["a 1 2", "a 1", "a"], 2, ["a 1 2", "a 1"]),
        (["a 1"], 3, ["a 1"]),
        (["a.AVI 1 2", "a.AVI 1", "a.AVI"], 1, ["a.AVI 1 2", "a.AVI 1", "a.AVI"]),
    ],
)
def test_numbers_behind_a_suffix_are_no_name(names, usual, likely):
    assert ListLine(1, "", "", "", names).likely(usual) == likely


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
