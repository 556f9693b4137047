import pytest
import torch

from strmctl.episodes.sampler import EpisodeSampler
from strmctl.errors import UsageError
from strmctl.evaluation.embed import ClipFeatures, ahead, embed_clips, pixels_to_model
from strmctl.evaluation.match import Protocol, all_clips, evaluate, evaluate_uncached, match_episodes
from strmctl.model.episode import Logits
from strmctl.runs.build import build_model, clip_loader
from tests.toy import ToyStore, toy_recipe

PROTOCOL = Protocol(way=3, shots=(1, 3), queries=2, episodes=37, seed=4)


@pytest.fixture(scope="module")
def parts():
    recipe, store = toy_recipe(), ToyStore()
    model = build_model(recipe, pretrained=False).double().eval()
    return model, clip_loader(recipe, store), store.clips("test"), store


def test_cached_features_predict_what_the_model_predicts_episode_by_episode(parts):
    """The peers' way: every episode from its own frames, through the model's forward."""
    model, loader, clips, _ = parts
    rows = iter(evaluate(model, loader, clips, PROTOCOL).rows)
    for shot in (1, 3):
        sampler = EpisodeSampler(clips, split="test", way=3, shot=shot, queries=2, seed=4)
        for index in range(PROTOCOL.episodes):
            episode = sampler.episode(index)
            support, query = (
                torch.stack([loader.load(clip) for ids in part for clip in ids]).double() / 255
                for part in (episode.support, episode.query)
            )
            labels = torch.arange(3).repeat_interleave(shot)
            with torch.inference_mode():
                predicted = model(support, labels, query).total.argmax(-1).tolist()
            queries = [(clip, name) for name, ids in zip(episode.classes, episode.query, strict=True) for clip in ids]
            for (clip, name), column in zip(queries, predicted, strict=True):
                assert next(rows) == (shot, index, clip, name, episode.classes[column])
    assert next(rows, None) is None


def test_each_clip_is_read_once(parts):
    model, loader, clips, store = parts
    before = store.reads
    evaluate(model, loader, clips, PROTOCOL)
    assert store.reads - before == len(all_clips(clips)) == 24


def test_the_number_of_episodes_does_not_change_the_first_ones(parts):
    model, loader, clips, _ = parts
    features = embed_clips(model, loader, all_clips(clips))
    episodes = Protocol(way=3, shots=(3,), queries=2, episodes=37, seed=4).draw(clips)
    many, few = (match_episodes(model, features, episodes[:count], (3,)) for count in (37, 5))
    assert many.rows[: len(few.rows)] == few.rows


def test_every_episode_from_its_own_frames_gives_the_same_rows(parts):
    model, loader, clips, store = parts
    before = store.reads
    found = evaluate_uncached(model, loader, PROTOCOL.draw(clips), PROTOCOL.shots)
    assert found == evaluate(model, loader, clips, PROTOCOL)
    assert store.reads - before == PROTOCOL.episodes * 3 * (2 + 1 + 3) + 24  # queries once, support for each shot


class Scripted(torch.nn.Module):
    """A method whose logits are given: of 3 classes, with a margin that is a share of their range."""

    def __init__(self, margins):
        super().__init__()
        self.margins = torch.nn.Parameter(torch.tensor(margins, dtype=torch.float64))

    def match(self, support, query):
        top = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64) - self.margins[:, None] * torch.tensor(
            [0.0, 0.0, 1.0]
        )
        return Logits(top.expand(query["x"].shape[0], -1, -1))


def test_predictions_that_rounding_may_decide_are_counted():
    clips = {f"c{c}": [f"c{c}/{i}" for i in range(4)] for c in range(3)}
    ids = all_clips(clips)
    features = ClipFeatures({"x": torch.zeros(len(ids), 1)}, {clip: row for row, clip in enumerate(ids)})
    protocol = Protocol(way=3, shots=(1, 2), queries=1, episodes=21)
    found = match_episodes(Scripted([0.99e-4, 1.01e-4, 0.0]), features, protocol.draw(clips), protocol.shots)
    assert found.narrow == {1: 2 * 21, 2: 2 * 21}
    assert {row.predicted for row in found.rows} == {"c0"}


def test_what_cannot_be_drawn_is_refused_before_any_clip_is_read(parts):
    model, loader, clips, store = parts
    before = store.reads
    for wrong in (Protocol(way=20), Protocol(way=3, shots=(8,))):
        with pytest.raises(UsageError):
            evaluate(model, loader, clips, wrong)
    assert store.reads == before


def test_embedding_restores_the_mode_and_follows_the_order(parts):
    model, loader, clips, _ = parts
    model.train()
    names = all_clips(clips)
    features = embed_clips(model, loader, names)
    assert model.training
    model.eval()
    with torch.inference_mode():
        alone = model.embed(pixels_to_model(loader.load(names[-1])[None], model))
    for name, tensor in features.tensors.items():
        torch.testing.assert_close(tensor[features.row[names[-1]]], alone[name][0], rtol=1e-9, atol=1e-12)


def test_loading_ahead_keeps_order_and_passes_errors_on():
    for depth in (0, 1, 3, 20):
        assert list(ahead(lambda x: x * x, range(10), depth=depth)) == [x * x for x in range(10)]

    def fail(x):
        if x == 3:
            raise ValueError("three")
        return x

    got = ahead(fail, range(10), depth=2)
    assert [next(got) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(got)
