from pathlib import Path

import pytest

from strmctl.data.datasets import DATA_SETS
from strmctl.data.prepare import prepare
from strmctl.data.request import Request, look_up
from strmctl.data.store import FrameStore
from strmctl.errors import UsageError
from tests.videos_for_tests import write_video


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": None}, "needs a name"),
        ({"name": "ucf101"}, "data set of its own"),
        ({"name": "../x"}, "cannot name a frame store"),
        ({"name": "videos"}, "cannot name a frame store"),
        ({"flat": True, "split_file": Path("x.yaml")}, "--flat means no classes"),
        ({"videos": Path("x")}, "--videos is for a data set"),
        ({"annotations": Path("x")}, "--annotations is for ssv2"),
        ({"seed": 1}, "--seed is for sprites"),
        ({"frames": 7}, "--frames below 8"),
        ({"what": "nothing"}, "unknown data set 'nothing'"),
        ({"what": "ucf101", "flat": True}, "--flat is for a folder"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, values, message):
    request = {"what": f"{tmp_path}", "name": "mine", "data_dir": tmp_path / "data", **values}
    with pytest.raises(UsageError, match=message):
        look_up(Request(**request))


def test_results_say_when_the_clips_are_not_those_of_the_benchmark(tmp_path):
    write_video(tmp_path / "videos" / "kinetics100" / "busking" / "-a_b_000001_000011.mp4")
    listed, split = tmp_path / "list.txt", tmp_path / "other.yaml"
    listed.write_text("busking/-a_b_000001_000011\n")
    split.write_text("subsets: {test: [busking]}\n")
    names = [
        prepare(Request("kinetics100", data_dir=tmp_path, list_file=list_file, split_file=split_file)).display_name
        for list_file, split_file in ((None, None), (listed, None), (listed, split))
    ]
    assert names == ["kinetics100 (all clips)", "kinetics100", "kinetics100 (split other)"]
    assert FrameStore.open(tmp_path, "kinetics100").display_name == "kinetics100 (split other)"


def test_every_data_set_has_a_home():
    assert all(dataset.home for dataset in DATA_SETS.values())
