"""Results are two files that belong together: other shots are kept, and whatever is not what was written is named."""

import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest

from strmctl.errors import DataError
from strmctl.results import SCHEMA, read_document, read_result, result_documents
from tests.saved import forget_hashes, result_of, rows_of

TEST = {"clip_ids_sha256": "c" * 64, "dtype": "float32", "cached": True}


def result(*shots, command="first", answers=0, **source):
    """A result of these numbers of shots, of one test unless `source` changes it."""
    rows = rows_of(0.5, shots=shots, answers=answers)
    by_shot = {"narrow": dict.fromkeys(shots, answers), "episodes_sha256": {str(shot): "e" * 64 for shot in shots}}
    return result_of("r", rows, command=command, **{**TEST, **by_shot, **source})


@pytest.fixture
def stem(tmp_path):
    return tmp_path / "runs" / "r" / "eval" / "test"


@pytest.fixture
def path(stem):
    return stem.with_suffix(".json")


def test_what_is_written_is_read_back(stem, path):
    written = result(1, 5)
    assert written.write(stem) is written
    found = read_result(path)
    assert found.rows == written.rows and found.shots == [1, 5]
    assert json.loads(json.dumps(written.document())) == found.document()
    assert read_document(path).results == found.results and read_document(path).rows == ()
    assert result_documents(stem.parent) == [path]


def test_other_shots_of_the_same_test_are_kept_with_what_made_them(stem, path):
    first = result(2, 5, answers=1)
    first.write(stem)
    whole = result(1, 5, command="second", answers=2).write(stem)
    found = read_result(path)
    assert whole.shots == found.shots == [1, 2, 5] and whole.rows == found.rows
    by_shot = {shot: [row for row in found.rows if row.shot == shot] for shot in found.shots}
    assert by_shot[2] == [row for row in first.rows if row.shot == 2]
    assert by_shot[5] == [row for row in result(1, 5, answers=2).rows if row.shot == 5]
    assert found.provenance["command"] == "second" and found.provenance["narrow"] == {"1": 2, "2": 1, "5": 2}
    assert found.results[1]["measured"] == {"command": "first"}
    assert "measured" not in found.results[0] and "measured" not in found.results[2]
    result(10, command="third", answers=3).write(stem)
    found = read_result(path)
    assert found.shots == [1, 2, 5, 10]
    assert [one.get("measured", {}).get("command") for one in found.results] == ["second", "first", "second", None]


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "0" * 64},
        {"manifest_sha256": "0" * 64},
        {"clip_ids_sha256": "0" * 64},
        {"dtype": "bfloat16"},
        {"frame_order": "shuffled"},
        {"recipe": {"trm": {"dim": 9}}},
        {"tuples": {"fraction": 0.2}},
    ],
)
def test_a_result_of_another_test_is_replaced(stem, path, change):
    result(2, **change).write(stem)
    result(1).write(stem)
    assert read_result(path).shots == [1]


def test_a_damaged_result_is_replaced(stem, path):
    result(2).write(stem)
    path.with_suffix(".csv").write_text("shot\n")
    result(1).write(stem)
    assert read_result(path).shots == [1]


def write(stem, shot):
    result(shot).write(stem)


def test_two_tests_at_once_lose_nothing(stem, path):
    shots = (1, 2, 3, 4, 5, 6)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(write, [(stem, shot) for shot in shots])
    assert read_result(path).shots == list(shots)


def edited(old, new):
    return lambda text: text.replace(old, new, 1)


DAMAGES = {
    "another number": ("json", edited('"accuracy": 0.', '"accuracy": 0.9')),
    "another interval": ("json", edited('"ci95": 0.', '"ci95": 0.9')),
    "another seed": ("json", edited('"seed": 0', '"seed": 1')),
    "another classes": ("json", edited('"store": "mine"', '"store": "other"')),
    "no list": ("json", lambda text: "[]"),
    "no results": ("json", lambda text: json.dumps({"schema": SCHEMA})),
    "empty results": ("json", lambda text: json.dumps({**json.loads(text), "results": [], "sha256": None})),
    "of another version": ("json", edited('"schema": 1', '"schema": 99')),
    "half": ("json", lambda text: text[: len(text) // 2]),
    "empty": ("json", lambda text: ""),
    "an empty table": ("csv", lambda text: ""),
    "half a table": ("csv", lambda text: text[: len(text) // 2]),
    "another answer": ("csv", edited(",run\n", ",sit\n")),
    "another query": ("csv", edited("run/1", "run/11")),
    "one row more": ("csv", lambda text: text + text.splitlines(keepends=True)[-1]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_not_what_was_written_is_named(stem, path, name):
    result(1, 5).write(stem)
    kind, damage = DAMAGES[name]
    file = path.with_suffix(f".{kind}")
    text = file.read_text()
    file.write_text(damage(text))
    assert file.read_text() != text
    for read in (read_document, read_result):
        with pytest.raises(DataError, match=str(file)) as caught:
            read(path)
        assert "strmctl eval --run r" in caught.value.hint


@pytest.mark.parametrize("absent", ["json", "csv"])
def test_a_missing_file_is_named(stem, path, absent):
    result(1).write(stem)
    path.with_suffix(f".{absent}").unlink()
    with pytest.raises(DataError, match=rf"test\.{absent}.*No such file"):
        read_document(path)


def test_a_kill_between_the_two_files_and_a_swapped_table_are_noticed(stem, path):
    table = path.with_suffix(".csv")
    result(1, answers=1).write(stem)
    old = path.read_bytes()
    result(1, answers=2).write(stem)
    path.write_bytes(old)
    with pytest.raises(DataError, match="does not hold the queries"):
        read_result(path)
    forget_hashes(path)  # of an early version: its figures are all that can be compared
    read_document(path)
    with pytest.raises(DataError, match="does not hold the queries"):
        read_result(path)
    assert table.is_file()


def test_a_reader_beside_a_writer_sees_the_old_or_the_new(stem, path):
    """The files are replaced one after the other; a reader that comes in between waits."""
    results = [result(1, 5, answers=answers) for answers in (1, 2)]
    results[0].write(stem)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [one.write(stem) for one in results * 20])
        seen = []
        while not writing.done():
            seen.append([results[0].rows, results[1].rows].index(read_result(path).rows))
        writing.result()
    assert seen
