"""`strmctl viz --match`: the distance of each class, and the frames that decide it, on runs with random weights."""

import csv
import json

import numpy as np
import pytest
import torch

from strmctl.episodes.clip_loader import ClipLoader
from strmctl.errors import ExitCode
from strmctl.evaluation.embed import to_model
from strmctl.frames.store.store import FrameStore
from strmctl.model.episode import group_by_label
from strmctl.runs.checkpoint import load_run
from tests.small_world import edit_manifest, evaluate, read_rows, refused
from tests.videos_for_tests import strmctl, write_video

SUPPORT = ("swim/0", "walk/1", "swim/2", "crawl/0")  # two shots of swim


def match(data, runs, *words):
    return strmctl("viz", "--data", data, "--runs", runs, "--device", "cpu", *words)


def named(*clips):
    return [word for clip in clips for word in ("--support", clip)]


@pytest.mark.parametrize("name", ["strm", "trx23", "prototype", "otam"])
def test_distances_are_those_of_the_model_and_pairs_the_strongest(data, several, drawn, name):
    document = match(data, several, "--match", "mine/swim/1", *named(*SUPPORT), "--run", name, "--json").json()
    run, store = load_run(several / name, device="cpu"), FrameStore.open(data, "mine")
    loader = ClipLoader(store, frames=8, size=32, crop=32, flip=False)
    clips = {clip: to_model(loader.load(clip)[None], run.model) for clip in (*SUPPORT, "swim/1")}
    classes, labels = ["crawl", "swim", "walk"], torch.tensor([1, 2, 1, 0])
    shots = torch.cat([clips[clip] for clip in SUPPORT])
    with torch.no_grad():
        logits = run.model(shots, labels, clips["swim/1"])
        features = run.model.embed(shots), run.model.embed(clips["swim/1"])
    total, shares = logits.total[0].double(), logits.total[0].double().softmax(dim=0)
    found = {one["class"]: one for one in document["classes"]}
    assert [one["class"] for one in document["classes"]] == [classes[c] for c in total.argsort(descending=True)]
    assert document["predicted"] == classes[total.argmax()] and document["true"] == "swim"
    for column, cls in enumerate(classes):
        assert found[cls]["distance"] == pytest.approx(-float(total[column]), rel=1e-5)
        assert found[cls]["probability"] == pytest.approx(float(shares[column]), rel=1e-4)
        assert found[cls]["support"] == [clip for clip in SUPPORT if clip.startswith(cls)]
        if logits.query_class is not None:
            assert found[cls]["parts"]["query-class"] == pytest.approx(-float(logits.query_class[0, column]), rel=1e-5)
        else:
            assert found[cls]["parts"] == {}
    if not hasattr(run.model, "correspondence"):
        assert all(one["pairs"] == [] for one in found.values())
        return
    grouped, mask = group_by_label(features[0], labels)
    told = run.model.correspondence(grouped, {key: value[None] for key, value in features[1].items()}, mask)
    for column, cls in enumerate(classes):
        pairs, positions = found[cls]["pairs"], document["frames"]
        assert len(pairs) == sum(len(one.query_frames) for one in told)
        for one in told:
            own = [pair for pair in pairs if pair["meaning"] == one.words]
            assert [pair["weight"] for pair in own] == sorted((pair["weight"] for pair in own), reverse=True)
            for pair in own:
                weights = one.weights[0, 0, column].detach()  # (K, T, T')
                (row,) = [
                    r
                    for r, frames in enumerate(one.query_frames.tolist())
                    if [positions[f] for f in frames] == pair["query_frames"]
                ]
                shot, other = np.unravel_index(int(weights[:, row].argmax()), weights[:, row].shape)
                assert pair["weight"] == pytest.approx(float(weights[shot, row, other]), rel=1e-4)
                assert pair["clip"] == found[cls]["support"][shot]
                assert pair["support_frames"] == [positions[f] for f in one.support_frames[other].tolist()]


def test_an_episode_is_that_of_the_test_and_so_is_what_it_is_taken_for(data, runs, drawn):
    with (runs / "sprites" / "eval" / "test_2way_1q_s0_n20.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["episode"] in ("3", "11")]
    assert len(rows) == 4
    for row in rows:
        words = ("--match", row["query"], "--episode", row["episode"], "--way", 2, "--shots", 1)
        document = match(data, runs, *words, "--json").json()
        assert (document["true"], document["predicted"]) == (row["true"], row["predicted"])
        assert document["picture"] == str(runs / "sprites" / "viz" / f"match_{row['query'].replace('/', '_')}.png")
    refused(match(data, runs, "--episode", 3, "--way", 2), ExitCode.USAGE, "2 queries", f"`--match {rows[0]['query']}`")
    refused(match(data, runs, "--episode", 3), ExitCode.USAGE, "5-way episodes need 5 classes", "`--way 3`")


def test_a_video_is_a_query_too(data, several, tmp_path):
    video = write_video(tmp_path / "own.mp4")
    ran = match(
        data, several, "--match", video, *named(*SUPPORT), "--run", "strm", "--out", tmp_path / "a.png", "--json"
    )
    assert ran.json()["query"] == {"video": str(video)} and ran.json()["true"] is None
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_the_class_of_a_query_may_have_no_support(data, several, drawn):
    ran = match(data, several, "--match", "stand/1", *named(*SUPPORT), "--run", "otam", "--json")
    assert ran.json()["true"] == "stand" and ran.json()["predicted"] in ("crawl", "swim", "walk")
    ((_, words),) = drawn
    assert f"is taken for {ran.json()['predicted']} (true class: stand, without support) by OTAM" in words["title"]


def test_a_method_that_compares_no_frames_says_so(data, several, drawn):
    ran = match(data, several, "--match", "swim/1", *named(*SUPPORT), "--run", "prototype")
    assert ran.code == 0 and "method prototype compares no single frames, so numbers are all there is" in ran.err


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("--match", "swim/1"), ExitCode.USAGE, ("--match needs --support CLIP",)),
        (("--support", "swim/1"), ExitCode.USAGE, ("--support is compared with --match",)),
        (("--match", "swim/1", "--support", "swim/1"), ExitCode.USAGE, ("swim/1 is part of the support",)),
        (("--match", "swum/1", *named(*SUPPORT)), ExitCode.DATA, ("no clip 'swum/1'", "did you mean swim/1?")),
        (("--match", "swim/1", *named("wlak/1")), ExitCode.DATA, ("no clip 'wlak/1'", "did you mean walk/1?")),
        (("--match", "swim/1", "--clip", "swim/1"), ExitCode.USAGE, ("leave one out",)),
        (("--match", "swim/1", *named("walk/1"), "--run", "strm", "--run", "otam"), ExitCode.USAGE, ("--run once",)),
        (("--match", "swim/1", *named("walk/1"), "--episode", 1), ExitCode.USAGE, ("leave out --support",)),
        (("--match", "swim/1", *named("walk/1"), "--start", 1), ExitCode.USAGE, ("are for --video",)),
        (("--match", "swim/1", *named("walk/1"), "--out", "x.jpg"), ExitCode.USAGE, ("`--out x.png`",)),
        (("--match", "swim/1", *named("walk/1"), "--out", "x.mp4"), ExitCode.USAGE, ("`--out x.png`",)),
    ],
)
def test_what_makes_no_sense(data, several, words, code, parts):
    words = words if "--run" in words else (*words, "--run", "strm")
    refused(match(data, several, *words), code, *parts)


@pytest.fixture
def examples(data, runs):
    """The examples that a test kept."""
    ran = evaluate(data, runs, "--save-examples", 2, "--shots", "1,2")
    assert ran.code == 0, ran.err
    path = runs / "sprites" / "eval" / "examples_test_2way_1q_s0_n20.json"
    assert f"`strmctl viz --from-eval {path} --data {data}` draws them" in ran.err
    return path


@pytest.mark.usefixtures("drawn")
def test_examples_of_a_test_are_drawn_as_they_were_decided(data, runs, examples, tmp_path):
    kept = json.loads(examples.read_text())["examples"]
    rows = {
        (int(row["shot"]), int(row["episode"]), row["query"]): row
        for row in read_rows(examples.with_name("test_2way_1q_s0_n20.csv"))
    }
    assert {(one["shot"], one["kind"]) for one in kept} == {(s, kind) for s in (1, 2) for kind in ("error", "hit")}
    for one in kept:
        row = rows[one["shot"], one["episode"], one["query"]]
        assert (row["true"], row["predicted"]) == (one["true"], one["predicted"])
        assert (one["kind"] == "hit") == (one["true"] == one["predicted"])
        assert sum(one["probabilities"].values()) == pytest.approx(1)
        assert {len(clips) for clips in one["support"].values()} == {one["shot"]}
    result = examples.with_name("test_2way_1q_s0_n20.json")
    document = match(data, runs, "--from-eval", result, "--out", tmp_path / "some", "--json").json()
    assert len(document["examples"]) == len(kept) == len(list((tmp_path / "some").iterdir()))
    for one, own in zip(kept, document["examples"], strict=True):
        assert (own["true"], own["predicted"], own["query"]["clip"]) == (one["true"], one["predicted"], one["query"])
        assert {c["class"]: c["support"] for c in own["classes"]} == one["support"]
        assert {c["class"]: c["probability"] for c in own["classes"]} == pytest.approx(one["probabilities"], rel=1e-4)


@pytest.mark.usefixtures("drawn")
def test_examples_that_cannot_be_drawn(data, own_data, runs, examples):
    refused(match(data, runs, "--from-eval", examples, "--out", "a.png"), ExitCode.USAGE, "`--out a` is a folder")
    refused(match(data, runs, "--from-eval", examples, "--run", "sprites"), ExitCode.USAGE, "leave out the other")
    other = examples.with_name("test_2way_1q_s1.json")
    refused(match(data, runs, "--from-eval", other), ExitCode.DATA, f"examples_{other.name}", "--save-examples 3")
    document = json.loads(examples.read_text())
    edit_manifest(own_data, without=document["examples"][0]["query"])
    refused(
        match(own_data, runs, "--from-eval", examples),
        ExitCode.DATA,
        "any more, which",
        document["examples"][0]["query"],
    )
    examples.write_text(json.dumps(document | {"weights_sha256": "0" * 64}))
    refused(match(data, runs, "--from-eval", examples), ExitCode.CHECKPOINT, "of other weights", "`--save-examples`")
