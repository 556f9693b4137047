"""Which results can be compared, and what comes out; groups of training seeds."""

import math
import os
import re

import numpy as np
import pytest

from strmctl.errors import DataError, UsageError
from strmctl.evaluation.comparison.compare import compare
from strmctl.evaluation.comparison.seed_groups import check_one_recipe, group_summary
from strmctl.provenance import sha256_of
from tests.saved import CLIPS, forget_hashes, result_of, rows_of, save

STEM = "test_5way_1q_s0"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # commands in hints name the folder of runs where it is not ./runs
    return tmp_path / "runs"


def refusal(kind, runs, names=("a", "b"), stems=()):
    with pytest.raises(kind) as caught:
        compare(runs, names, stems)
    return caught.value.message, caught.value.hint


def right(rows, shot):
    return {(row.episode, row.query): int(row.true == row.predicted) for row in rows if row.shot == shot}


def test_the_difference_is_that_of_the_rows(runs):
    base, other = save(runs, "a", 0.6, answers=1), save(runs, "b", 0.8, answers=2)
    document = compare(runs, ["a", "b"])
    assert document["base"] == "a" and document["warnings"] == [] and "these weights" in document["conditional"]
    (comparison,) = document["comparisons"]
    assert comparison["run"] == "b" and [figures["shot"] for figures in comparison["results"]] == [1, 5]
    for figures in comparison["results"]:
        first, second = right(base.rows, figures["shot"]), right(other.rows, figures["shot"])
        differences = {key: second[key] - first[key] for key in first}  # by episode and query
        episodes = [np.mean([differences[key] for key in first if key[0] == episode]) for episode in range(40)]
        over = figures["over_episodes"]
        assert over["n"] == 40 and over["difference"] == pytest.approx(np.mean(episodes), abs=1e-12)
        assert over["ci95"] == pytest.approx(1.96 * np.std(episodes) / math.sqrt(40), rel=1e-9)
        classes = [
            np.mean([differences[key] for key in first if key[1].startswith(f"{name}/")])
            for name in base.results[0]["per_class"]  # one is called NA
        ]
        over = figures["over_classes"]
        assert over["n"] == 6 and over["difference"] == pytest.approx(np.mean(classes), abs=1e-12)
        half = 2.570582 * np.std(classes, ddof=1) / math.sqrt(6)  # t with 5 degrees of freedom
        assert over["ci95"] == pytest.approx(half, rel=1e-6)
    back = compare(runs, ["b", "a"])["comparisons"][0]["results"]
    for there, again in zip(comparison["results"], back, strict=True):
        for over in ("over_episodes", "over_classes"):
            assert again[over]["difference"] == pytest.approx(-there[over]["difference"])
            assert again[over]["p"] == there[over]["p"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"episodes": 39}, "episodes 40 and 39"),
        ({"distinct_groups": True}, "distinct groups off and on"),
        ({"episodes_file_sha256": "c" * 64}, "file of episodes none and cccccccccccc"),
        ({"shots": (2, 3)}, "shots 1, 5 and 2, 3"),
    ],
)
def test_other_tests_are_refused_with_the_command_that_repeats_the_first(runs, changes, reason):
    save(runs, "a")
    save(runs, "b", **changes)
    message, hint = refusal(UsageError, runs)
    assert message == f"a and b were not tested on the same episodes: {reason}"
    assert hint.startswith(f"`strmctl eval --run b --dataset mine --shots 1,5 --episodes 40 --runs {runs}`")


def test_all_reasons_are_given_and_the_command_has_all_settings(runs):
    settings = {"way": 3, "queries": 2, "seed": 7, "split": "val", "chosen_classes": True, "distinct_groups": True}
    save(
        runs,
        "a",
        shots=(2,),
        frame_order="shuffled",
        dtype="bfloat16",
        weights_file="last.pt",
        dropped_classes=["yawn"],
        **settings,
    )
    save(runs, "b", shots=(1,))
    message, hint = refusal(UsageError, runs)
    for part in ("split val and test", "way 3 and 5", "queries 2 and 1", "seed 7 and 0", "shots 2 and 1"):
        assert part in message
    command = (
        "strmctl eval --run b --dataset mine --shots 2 --distinct-groups --way 3 --queries 2 --episodes 40 --seed 7 "
        "--missing-classes drop --split val --classes NA,crawl,jump,run,swim,walk --frame-order shuffled "
        f"--dtype bfloat16 --weights last --runs {runs}"
    )
    assert f"`{command}`" in hint


def test_the_episodes_of_a_file_are_repeated_from_that_file(runs):
    save(runs, "a", episodes_from="my file.csv", episodes_file_sha256="c" * 64)
    save(runs, "b", seed=3)
    _, hint = refusal(UsageError, runs)
    command = f"strmctl eval --run b --dataset mine --shots 1,5 --episodes-from 'my file.csv' --runs {runs}"
    assert f"`{command}`" in hint


def test_the_same_episodes_are_compared_whichever_way_they_were_come_by(runs):
    same = {"episodes_sha256": {"1": "d" * 64, "5": "e" * 64}}
    save(runs, "a", **same, distinct_groups=True)
    save(runs, "b", **same, episodes_file_sha256="c" * 64)
    assert compare(runs, ["a", "b"])["warnings"] == []
    save(runs, "b", episodes_sha256={"5": "f" * 64}, distinct_groups=True)
    assert "they have other support clips" in refusal(DataError, runs)[0]


def test_other_clips_are_refused(runs):
    save(runs, "a")
    renamed = {name: [clip.replace("walk/3", "walk/30") for clip in ids] for name, ids in CLIPS.items()}
    save(runs, "b", clips=renamed, manifest_sha256="c" * 64)
    message, hint = refusal(DataError, runs)
    assert "a and b were not tested on the same clips: episode" in message and "query walk/" in message
    assert "strmctl eval --run b --dataset mine" in hint
    save(runs, "b", clip_ids_sha256="1" * 64)
    save(runs, "c", clip_ids_sha256="2" * 64)  # the queries are the same, by chance
    assert "other ids" in refusal(DataError, runs, ("b", "c"))[0]
    assert compare(runs, ["a", "c"])["warnings"] == []  # a says nothing of them
    save(runs, "b", classes=[*CLIPS, "yawn"])
    assert "only one of them has the classes yawn" in refusal(DataError, runs)[0]


def test_other_pixels_give_a_warning(runs):
    save(runs, "a", answers=1, clip_ids_sha256="1" * 64)
    save(runs, "b", answers=2, clip_ids_sha256="1" * 64, manifest_sha256="c" * 64, dtype="bfloat16")
    assert compare(runs, ["a", "b"])["warnings"] == [
        "a and b saw the same clips with other pixels: manifests bbbbbbbbbbbb and cccccccccccc",
        "a and b differ in dtype: float32 and bfloat16",
    ]


@pytest.mark.parametrize("file", ["weights.pt", "last.pt"])
def test_a_result_of_other_weights_than_the_run_has_is_refused(runs, file):
    hashes = {}
    for run in "ab":
        (runs / run).mkdir(parents=True)
        (runs / run / file).write_text(f"weights of {run}")
        hashes[run] = sha256_of(runs / run / file)
        save(runs, run, weights_file=file, weights_sha256=hashes[run])
    assert compare(runs, ["a", "b"])["warnings"] == []
    save(runs, "b", weights_file=file, weights_sha256=hashes["a"])  # that of a, copied; or of an earlier training
    message, hint = refusal(DataError, runs)
    assert f"{STEM}.json is of other weights than {file} of run b" in message
    assert "make it again: `strmctl eval --run b" in hint and ("--weights last" in hint) == (file == "last.pt")
    (runs / "b" / file).unlink()  # to save room: nothing contradicts the result
    assert compare(runs, ["a", "b"])["warnings"] == []


def test_a_result_of_weights_from_elsewhere_is_compared_and_repeated_with_them(runs):
    for run in "ab":
        (runs / run).mkdir(parents=True)
        (runs / run / "weights.pt").write_text(f"weights of {run}")
        save(runs, run, weights_file="/elsewhere/weights.pt", weights_sha256="c" * 64)
    assert compare(runs, ["a", "b"])["warnings"] == []
    (runs / "b" / "eval" / f"{STEM}.json").unlink()
    assert "--weights /elsewhere/weights.pt" in refusal(DataError, runs)[1]


def test_only_shots_that_both_have_are_compared(runs):
    save(runs, "a", shots=(1, 5))
    save(runs, "b", shots=(2, 5), answers=1)
    document = compare(runs, ["a", "b"])
    assert [figures["shot"] for figures in document["comparisons"][0]["results"]] == [5]
    assert document["warnings"] == ["a and b: only one of them was tested at shots 1, 2, which are left out"]


def test_the_newest_result_that_all_have_is_taken_unless_one_is_named(runs):
    for run in "ab":
        for age, stem, seed in ((30, "old", 0), (20, "new", 1)):
            save(runs, run, stem=stem, seed=seed, answers=ord(run))
            os.utime(runs / run / "eval" / f"{stem}.json", (1e9 - age, 1e9 - age))
    save(runs, "a", stem="own", seed=2)
    (runs / "a" / "eval" / "controls_new.json").write_text("{}")
    assert compare(runs, ["a", "b"])["seed"] == 1
    assert compare(runs, ["a", "b"], ["old"])["seed"] == 0
    message, hint = refusal(DataError, runs, stems=["own"])
    assert message == "run b has no result own; it has new, old"
    command = f"strmctl eval --run b --dataset mine --shots 1,5 --episodes 40 --seed 2 --runs {runs}"
    assert hint == f"`{command}` tests it as a was tested"
    assert "--result own" in refusal(DataError, runs, stems=["none"])[1]
    assert "give `--result` once" in refusal(UsageError, runs, stems=["a", "b", "c"])[1]


def test_two_results_of_one_run(runs):
    save(runs, "a", 0.9, answers=1)
    save(runs, "a", 0.3, answers=2, stem="shuffled", frame_order="shuffled")
    document = compare(runs, ["a", "a"], [STEM, "shuffled"])
    assert document["base"] == f"a {STEM}" and document["comparisons"][0]["run"] == "a shuffled"
    assert document["comparisons"][0]["results"][0]["over_episodes"]["difference"] < -0.3
    assert document["warnings"] == [f"a {STEM} and a shuffled differ in frame order: natural and shuffled"]
    assert refusal(UsageError, runs, ("a", "a"), [STEM])[0] == "a cannot be compared with itself"


def test_runs_without_results(runs):
    save(runs, "a")
    save(runs, "b")
    (runs / "b" / "eval" / f"{STEM}.json").unlink()
    message, hint = refusal(DataError, runs)
    assert message == f"run b has no result {STEM}" and "strmctl eval --run b --dataset mine --shots 1,5" in hint
    message, hint = refusal(DataError, runs, ("b", "a"))
    assert message == "run b has no result" and "strmctl eval --run b" in hint
    assert refusal(DataError, runs, ("a", "z"))[0].startswith("no run named 'z'")
    assert "at least two" in refusal(UsageError, runs, ["a"])[0]


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("damage", ["half a line", "columns", "rows missing", "not text", "all right", "absent"])
def test_damaged_rows_are_an_error_with_the_command_that_makes_them_again(runs, damage, hashed):
    save(runs, "a")
    save(runs, "b")
    if not hashed:
        forget_hashes(runs / "b" / "eval" / f"{STEM}.json")
    table = runs / "b" / "eval" / f"{STEM}.csv"
    text = table.read_text()
    damaged = {
        "half a line": text[:-8],
        "columns": text.replace("predicted", "guess", 1),
        "rows missing": text[: text.rindex("\n", 0, -1) + 1],
        "not text": "\x00\udcff",
        "all right": re.sub(r",(\w+),\w+$", r",\1,\1", text, flags=re.MULTILINE).replace("true,true", "true,predicted"),
    }
    table.unlink()
    if damage in damaged:
        table.write_bytes(damaged[damage].encode(errors="surrogateescape"))
    message, hint = refusal(DataError, runs)
    assert str(table) in message and "make it again: `strmctl eval --run b" in hint


def seeds(runs, name, *accuracies):
    """Saves runs with training seeds 0, 1, …; returns their accuracies at one shot."""
    saved = [
        save(runs, f"{name}{seed}", accuracy, answers=100 * ord(name) + seed, recipe={"train": {"seed": seed}})
        for seed, accuracy in enumerate(accuracies)
    ]
    return [result.results[0]["accuracy"] for result in saved]


def test_groups_are_paired_by_seed(runs):
    base, other = seeds(runs, "a", 0.5, 0.6, 0.7), seeds(runs, "b", 0.7, 0.8, 0.9)
    document = compare(runs, ["a0,a1,a2", "b2,b0,b1"])
    assert "neither other clips" in document["conditional"]
    (comparison,) = document["comparisons"]
    assert comparison["runs"] == ["b0", "b1", "b2"]
    figures, differences = comparison["results"][0], np.subtract(other, base)
    assert (figures["shot"], figures["n"]) == (1, 3)
    assert figures["each"] == pytest.approx(differences)
    assert figures["difference"] == pytest.approx(differences.mean())
    assert figures["ci95"] == pytest.approx(4.302653 * differences.std(ddof=1) / math.sqrt(3), rel=1e-6)
    summary = document["groups"][0]["results"][0]
    assert summary["mean"] == pytest.approx(np.mean(base)) and summary["sd"] == pytest.approx(np.std(base, ddof=1))


def test_groups_must_be_seeds_of_one_recipe(runs):
    seeds(runs, "a", 0.5, 0.6)
    save(runs, "b", recipe={"train": {"seed": 1}, "trm": {"dim": 9}})
    save(runs, "c")
    message, hint = refusal(UsageError, runs, ("a0,a1", "c,b"))
    assert message == "c and b are not seeds of one recipe, their recipes differ in trm.dim: 8 and 9"
    assert "strmctl compare c b" in hint
    for names, part in (
        (("a0,a1,c", "b"), "a0 and c have the same training seed 0"),
        (("a0,a1", "c,a0"), "a0 cannot be compared with itself"),
        (("a0,a1", "c"), "a0,a1 have the seeds [0, 1] and c [0]"),
        (("a0,a1", "a0,"), "not a group"),
    ):
        assert part in refusal(UsageError, runs, names)[0]


def test_a_run_whose_name_holds_a_comma(runs):
    save(runs, "a")
    save(runs, "b,c", answers=1)
    assert compare(runs, ["a", "b,c"])["comparisons"][0]["run"] == "b,c"


def test_a_group_in_one_evaluation():
    results = [
        result_of(f"r{seed}", rows_of(0.6, answers=seed, shots=shots), recipe={"train": {"seed": seed}})
        for seed, shots in ((3, (1, 5)), (1, (1, 5)), (2, (1,)))
    ]
    found = group_summary(results)
    assert (found["runs"], found["seeds"]) == (["r1", "r2", "r3"], [1, 2, 3])
    (figures,) = found["results"]  # one of them lacks the 5-shot test
    each = [results[place].results[0]["accuracy"] for place in (1, 2, 0)]
    assert figures["shot"] == 1 and figures["n"] == 3 and figures["each"] == each
    assert (figures["mean"], figures["sd"]) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
    assert group_summary(results[:1])["results"][0]["sd"] is None


def test_recipes_of_seeds_may_differ_in_name_and_seed_only():
    recipe = {"name": "x", "train": {"seed": 0, "way": 5}}
    check_one_recipe({"x": recipe, "y": {"name": "y", "train": {"seed": 1, "way": 5}}})
    with pytest.raises(UsageError, match=r"train\.more: None and 3; train\.way: 5 and 6"):
        check_one_recipe({"x": recipe, "y": {"name": "x", "train": {"seed": 1, "way": 6, "more": 3}}})
