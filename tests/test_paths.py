import pytest

from strmctl.errors import DataError
from strmctl.paths import read_json, replacing, shipped, write_json, write_text
from strmctl.runs.folder import point_latest, run_folder


def test_shipped_files_are_found():
    for parts in (("recipes", "sprites.yaml"), ("splits", "ucf101.yaml"), ("reports", "paper.yaml")):
        assert shipped(*parts).is_file()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "x.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_runs_by_name_and_the_newest(tmp_path):
    for name in ("a", "b"):
        write_text(tmp_path / name / "recipe.yaml", "")
        point_latest(tmp_path, tmp_path / name)
    assert run_folder(tmp_path, None) == tmp_path / "b"
    assert run_folder(tmp_path, "a") == tmp_path / "a"
    with pytest.raises(DataError, match="no run named 'c'") as caught:
        run_folder(tmp_path, "c")
    assert caught.value.hint == "runs here: a, b"


def test_without_a_run_the_hint_is_the_demo(tmp_path):
    with pytest.raises(DataError, match="no run yet") as caught:
        run_folder(tmp_path, None)
    assert "make demo" in caught.value.hint


def test_a_json_file_is_read_back_and_anything_else_is_named(tmp_path):
    path, folder = tmp_path / "a.json", tmp_path / "folder.json"
    write_json(path, {"name": "日本語", "number": 0.1})
    assert read_json(path) == {"name": "日本語", "number": 0.1}
    folder.mkdir()
    for content in (b"", b"{", b"\xff\xfe", b"\0" * 9, b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.json is damaged") as caught:
            read_json(path, "write it again")
        assert caught.value.hint == "write it again"
    for absent, reason in ((tmp_path / "b.json", "No such file"), (folder, "Is a directory")):
        with pytest.raises(DataError, match=f"{absent}: {reason}"):
            read_json(absent)
