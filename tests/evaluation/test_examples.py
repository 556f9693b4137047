"""The examples that a test keeps: the most confident errors and hits, and their file."""

import json

import pytest
import torch

from strmctl.episodes.sampler import Episode
from strmctl.errors import DataError
from strmctl.evaluation.examples import ConfidentExamples, read_examples
from strmctl.results import result_documents


def episode(index, classes=("a", "b", "c")):
    support = tuple(tuple(f"{name}/{index}s{k}" for k in range(3)) for name in classes)
    query = tuple(tuple(f"{name}/{index}q{k}" for k in range(2)) for name in classes)
    return Episode(index, classes, support, query)


def test_the_most_confident_are_kept_whatever_the_blocks():
    logits = 4 * torch.randn(7, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    every = []
    for e, q in torch.cartesian_prod(torch.arange(7), torch.arange(6)).tolist():
        shares = logits[e, q].softmax(dim=0)
        kind = "hit" if shares.argmax() == q // 2 else "error"
        every.append((shares.max().item(), kind, e, "abc"[q // 2] + f"/{e}q{q % 2}", "abc"[shares.argmax()], shares))
    for sizes in ([7], [3, 3, 1], [1] * 7):
        kept, first = ConfidentExamples(4), 0
        for size in sizes:
            block = [episode(number) for number in range(first, first + size)]
            padded = torch.cat([logits[first : first + size], torch.full((2, 6, 3), 1e9, dtype=torch.float64)])
            kept.see(2, block, padded)  # the last block is filled up
            first += size
        for kind in ("error", "hit"):
            expected = sorted((one for one in every if one[1] == kind), key=lambda one: -one[0])[:4]
            found = [one for one in kept.examples if one["kind"] == kind]
            assert [(one["episode"], one["query"], one["predicted"]) for one in found] == [one[2:5] for one in expected]
            for one, (*_, shares) in zip(found, expected, strict=True):
                assert one["probabilities"] == pytest.approx(dict(zip("abc", shares.tolist(), strict=True)))
                assert one["true"] == one["query"][0] and one["shot"] == 2
                assert one["support"]["b"] == [f"b/{one['episode']}s0", f"b/{one['episode']}s1"]


def test_certainty_that_is_rounded_to_1_is_still_ranked():
    kept = ConfidentExamples(1)
    logits = torch.tensor([[[0.0, 500.0], [0.0, 90.0]], [[0.0, 800.0], [0.0, 2000.0]]])
    two = [Episode(n, ("a", "b"), (("a/s",), ("b/s",)), ((f"a/{n}",), (f"b/{n}",))) for n in range(2)]
    kept.see(1, two, logits)
    assert [one["query"] for one in kept.examples] == ["a/1", "b/1"]
    assert [one["probabilities"]["b"] for one in kept.examples] == [1.0, 1.0]


def test_fewer_errors_than_wanted():
    kept = ConfidentExamples(3)
    kept.see(1, [episode(0)], torch.eye(3).repeat_interleave(2, dim=0)[None])
    assert [one["kind"] for one in kept.examples] == ["hit"] * 3
    kept.see(5, [episode(0)], -torch.eye(3).repeat_interleave(2, dim=0)[None])
    assert [(one["shot"], one["kind"]) for one in kept.examples] == [(1, "hit")] * 3 + [(5, "error")] * 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        ("[]", "holds no examples"),
        ("{", "no JSON document"),
        ('{"schema": 1, "run": "a"}', "weights_file is missing"),
        (
            json.dumps(
                dict.fromkeys(("run", "weights_file", "weights_sha256", "store", "frame_order"), "")
                | {"schema": 1, "examples": [dict.fromkeys(("kind", "query", "true", "predicted"), "")
                    | {"shot": 1, "episode": 0, "probabilities": {}, "support": {"a": "x"}}]}
            ),
            "support",
        ),
    ],
)  # fmt: skip
def test_what_is_no_file_of_examples(tmp_path, content, problem):
    path = tmp_path / "examples_test.json"
    if content is not None:
        path.write_text(content)
    for name in (path, tmp_path / "test.json", tmp_path / "test.csv"):  # also named by the result beside it
        with pytest.raises(DataError, match=problem) as caught:
            read_examples(name)
        assert str(path) in caught.value.message and "--save-examples" in caught.value.hint
    assert result_documents(tmp_path) == []
