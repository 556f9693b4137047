"""A match of a model whose steps of time cover several frames each."""

from types import SimpleNamespace

import pytest
import torch

from strmctl.explain.match import ClassMatch, Match, match_query
from strmctl.explain.match_picture import draw_match_of
from strmctl.explain.subjects import Subject
from strmctl.model.episode import Logits
from strmctl.model.layers.correspondence import Correspondence
from strmctl.report import drawing
from strmctl.report.pictures import match as picture


class InSteps(torch.nn.Module):
    """Compares the brightness of the four steps of eight frames; pairs of steps count by the number of the step."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def embed(self, clips):
        return {"steps": clips.mean(dim=(2, 3, 4)).unflatten(1, (4, 2)).mean(dim=2)}  # (N, 4)

    def match(self, support, query, mask):
        far = (support["steps"][:, None] - query["steps"][:, :, None, None]).abs().sum(dim=-1)  # (B, Q, C, K)
        return Logits(-far.masked_fill(~mask[:, None], 0).sum(dim=-1) / mask.sum(dim=-1))

    def correspondence(self, support, query, mask):
        pairs, steps = torch.tensor([[0, 1], [1, 3]]), torch.arange(4)[:, None]
        weights = torch.zeros(1, 1, 2, 2, 2, 4)
        weights[..., 0, 0, 2], weights[..., 1, 1, 3] = 0.25, 0.75
        return [Correspondence("made up", weights, pairs, steps)]


def subject(name, brightness):
    pixels = torch.full((8, 3, 4, 4), brightness, dtype=torch.uint8)
    return Subject(name, name, pixels, range(10, 90, 10), [], 90, 0, {"clip": name}, iter)


def test_pairs_name_the_first_frame_of_each_step():
    run = SimpleNamespace(
        model=InSteps().eval(), recipe=SimpleNamespace(steps=4, input=SimpleNamespace(frames=8)), name="run"
    )
    support = {"dark": [subject("a", 20), subject("b", 40)], "light": [subject("c", 200)]}
    found = match_query(run, subject("q", 60), support, true="dark")
    assert [(one.name, round(255 * one.distance)) for one in found.classes] == [("dark", 4 * 30), ("light", 4 * 140)]
    (strongest, weaker), *_ = found.classes[0].pairs
    assert (strongest.weight, strongest.query_frames, strongest.shot, strongest.support_frames) == (
        0.75,
        [2, 6],
        1,
        [6],
    )
    assert (weaker.weight, weaker.query_frames, weaker.shot, weaker.support_frames) == (0.25, [0, 2], 0, [4])


@pytest.mark.parametrize(
    ("distances", "words", "legend"),
    [
        ((0.0, 2.5), ["distance 0", "distance 2.5"], "softmax of minus the distances"),
        ((-9.9, 0.5), ["logit 9.9", "logit -0.5"], "softmax of the logits"),
        ((-9.9, -9.8), ["logit 9.9", "logit 9.8"], "softmax of the logits"),
    ],
)
def test_likenesses_are_not_called_distances(monkeypatch, tmp_path, distances, words, legend):
    shown = []
    monkeypatch.setattr(picture, "draw_match", lambda *given, **named: shown.append((given, named)))
    monkeypatch.setattr(drawing, "save_picture", lambda figure, path: None)
    clip = subject("q", 60)
    classes = [ClassMatch(name, [clip], value, 0.5, {}, []) for name, value in zip("ab", distances, strict=True)]
    viewer = SimpleNamespace(label="M", run=SimpleNamespace(name="run"))
    draw_match_of(Match(clip, "a", classes), viewer, tmp_path / "a.png")
    ((_, _, rows), named) = shown[0]
    assert [row.facts for row in rows] == [[words[0], "true class"], [words[1]]] and legend in named["legend"]
