"""Options of `strmctl eval` that choose the episodes, the runs, and how features are made."""

import shutil

import pytest

from strmctl.paths import write_csv
from tests.small_world import evaluate, read_rows, refused, refused_in_json, train
from tests.videos_for_tests import strmctl

CSV = "test_2way_1q_s0_n20"


def rows_of(runs, name=CSV):
    return (runs / "sprites" / "eval" / f"{name}.csv").read_bytes()


def test_features_are_made_once_and_the_second_test_reads_no_frame(data, own_data, runs):
    first = rows_of(runs)
    (cache,) = (runs / "sprites" / "cache").glob("*/")
    shutil.rmtree(own_data / "mine" / "frames")
    ran = evaluate(own_data, runs, "--shots", "1,2")
    assert ran.code == 0 and "embedding" not in ran.err, ran.err
    assert rows_of(runs) != first
    (runs / "sprites" / "eval" / f"{CSV}.json").unlink()
    assert evaluate(own_data, runs).code == 0 and rows_of(runs) == first
    shutil.rmtree(cache)
    assert evaluate(own_data, runs).code == 3
    assert evaluate(data, runs).code == 0 and rows_of(runs) == first


@pytest.mark.parametrize("memory", ["0", "1K", "3.5 MB", "2g"])
def test_no_limit_of_memory_changes_a_byte(data, runs, memory):
    first = rows_of(runs)
    assert evaluate(data, runs, "--memory", memory).code == 0
    assert rows_of(runs) == first


def test_every_episode_from_its_frames_predicts_the_same(data, runs):
    ran = evaluate(data, runs, "--no-cache", "--json")
    assert ran.code == 0, ran.err
    assert ran.json()["provenance"]["cached"] is False
    assert rows_of(runs, f"{CSV}_uncached") == rows_of(runs)


def test_bfloat16_is_another_result_with_features_of_its_own(data, runs):
    ran = evaluate(data, runs, "--dtype", "bfloat16", "--json")
    assert ran.code == 0, ran.err
    assert ran.json()["provenance"]["dtype"] == "bfloat16"
    kept, own = (read_rows(runs / "sprites" / "eval" / f"{CSV}{end}.csv") for end in ("", "_bfloat16"))
    columns = ("shot", "episode", "query", "true")
    assert [[row[c] for c in columns] for row in kept] == [[row[c] for c in columns] for row in own]
    sizes = {
        sum(path.stat().st_size for path in cache.iterdir() if path.suffix != ".json")
        for cache in (runs / "sprites" / "cache").glob("*/")
    }
    assert max(sizes) == 2 * min(sizes)
    same = sum(a["predicted"] == b["predicted"] for a, b in zip(kept, own, strict=True)) / len(kept)
    assert f"predictions that are the same in float32: {100 * same:.2f} % at 1-shot" in ran.err
    alone = evaluate(data, runs, "--dtype", "bfloat16", "--seed", 5)
    assert alone.code == 0 and "test without --dtype as well" in alone.err


def test_episodes_go_through_a_file(data, runs, tmp_path):
    path = tmp_path / "episodes.csv"
    assert evaluate(data, runs, "--shots", "1,2", "--save-episodes", path).code == 0
    drawn = rows_of(runs)
    ran = strmctl_eval(data, runs, "--shots", "1,2", "--episodes-from", path, "--json")
    assert ran.code == 0, ran.err
    document = ran.json()
    assert (document["way"], document["queries"], document["episodes"]) == (2, 1, 20)
    shown = strmctl_eval(data, runs, "--shots", "1,2", "--episodes-from", path)
    assert f"20 episodes, of {path}" in " ".join(shown.out.split())
    sha = document["provenance"]["episodes_file_sha256"]
    assert rows_of(runs, f"{CSV}_episodes-{sha[:8]}") == drawn
    other = tmp_path / "other"
    shutil.copytree(runs / "sprites", other / "again")
    shutil.copytree(runs / "sprites", other / "drawn")
    stems = (f"{CSV}_episodes-{sha[:8]}", CSV)
    compared = strmctl("compare", "again", "drawn", "--runs", other, "--result", stems[0], "--result", stems[1])
    assert compared.code == 0, compared.err
    for words in (("--way", 3), ("--seed", 1), ("--episodes", 7), ("--queries", 2), ("--controls",)):
        refused(strmctl_eval(data, runs, "--episodes-from", path, *words), 2, "leave")
    refused(strmctl_eval(data, runs, "--shots", 3, "--episodes-from", path), 2, "2 support clips", "--shots 2")
    path.write_text(path.read_text().replace("walk/1", "walk/9"))
    refused(strmctl_eval(data, runs, "--shots", 1, "--episodes-from", path), 3, "walk/9")


def strmctl_eval(data, runs, *words):
    """Without the way and number of episodes that `evaluate` gives."""
    return strmctl("eval", *words, "--no-pictures", "--data", data, "--runs", runs, "--device", "cpu")


def share_source(data, shared):
    """Lets the first clips of each class come from one source."""
    path = data / "mine" / "manifest.csv"
    rows = read_rows(path)
    for row in rows:
        name, number = row["clip"].split("/")
        row["group"] = f"{name}/source" if int(number) < shared else row["group"]
    write_csv(path, rows[0].keys(), [row.values() for row in rows])


def test_support_and_query_of_one_source_are_reported_and_kept_apart(own_data, runs, tmp_path):
    share_source(own_data, shared=2)
    ran = evaluate(own_data, runs, "--json")
    assert ran.code == 0, ran.err
    share = ran.json()["provenance"]["shared_sources"]["1"]
    assert ran.json()["provenance"]["distinct_groups"] is False and 0 < share < 1
    assert f"{100 * share:.1f} % at 1-shot" in ran.err and "--distinct-groups avoids that" in ran.err
    apart = evaluate(own_data, runs, "--distinct-groups", "--save-episodes", tmp_path / "apart.csv", "--json")
    assert apart.code == 0, apart.err
    assert apart.json()["provenance"]["distinct_groups"] is True
    assert (runs / "sprites" / "eval" / f"{CSV}_distinct.csv").is_file()
    sides = {}
    for row in read_rows(tmp_path / "apart.csv"):
        number = int(row["clip"].rsplit("/", 1)[1])
        sides.setdefault((row["episode"], row["class"]), {})[row["role"]] = "source" if number < 2 else number
    assert all(side["support"] != side["query"] for side in sides.values()) and len(sides) == 40
    share_source(own_data, shared=3)
    refused(evaluate(own_data, runs, "--distinct-groups"), 2, "crawl")


def test_seeds_of_one_recipe_are_tested_together(data, runs):
    assert train(data, runs, "--recipe", "sprites", "--name", "one", changes=("train.seed=1",)).code == 0
    ran = evaluate(data, runs, "--run", "sprites", "--run", "one", "--json")
    assert ran.code == 0, ran.err
    document = ran.json()
    each = [run["results"][0]["accuracy"] for run in document["runs"]]
    (summary,) = document["summary"]["results"]
    assert summary["each"] == each and summary["n"] == 2
    assert summary["mean"] == pytest.approx(sum(each) / 2)
    shown = evaluate(data, runs, "--run", "sprites", "--run", "one")
    assert "mean, n = 2" in shown.out and f"{100 * sum(each) / 2:.2f}" in shown.out
    assert train(data, runs, "--recipe", "sprites", "--name", "other", changes=("trm.dim=4",)).code == 0
    refused(evaluate(data, runs, "--run", "sprites", "--run", "sprites"), 2, "named twice")
    refused(evaluate(data, runs, "--run", "sprites", "--run", "other"), 2, "trm.dim: 8 and 4", "strmctl compare")


def test_options_that_do_not_go_together(data, runs, tmp_path):
    for words, part in (
        (("--no-cache", "--dtype", "bfloat16"), "leave out --dtype"),
        (("--controls", "--distinct-groups"), "leave out the other options"),
        (("--controls", "--frame-order", "repeated"), "leave out --frame-order"),
        (("--run", "a", "--run", "b", "--weights", tmp_path), "name only one with --run"),
        (("--memory", "much"), "2G or 500M"),
    ):
        refused(evaluate(data, runs, *words), 2, part)
        refused_in_json(evaluate(data, runs, *words, "--json"), 2, part)
