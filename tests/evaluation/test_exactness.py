"""In float32, features made once give the logits and predictions of every episode embedded from its own frames."""

import pytest
import torch

from strmctl.evaluation.embed import embed_clips
from strmctl.evaluation.match import NARROW, Protocol, all_clips
from strmctl.runs.build import clip_loader
from tests.runs.test_build import build, lively, recipe_of
from tests.toy import ToyStore

CASES = [
    ("strm", 3, (1, 3), ("trm.cardinalities=[2]",)),
    ("strm", 2, (1, 2, 5), ("trm.cardinalities=[2, 3, 4]", "model.preset=released")),
    ("trm", 2, (1, 4), ("trm.distance=norm",)),
    ("trx", 3, (2, 5), ()),
    ("otam", 3, (1, 5), ()),
    ("prototype", 2, (1, 5), ("prototype.distance=cosine",)),
    ("prototype", 3, (1, 3), ()),
]


@pytest.mark.parametrize(("method", "way", "shots", "settings"), CASES)
def test_logits_and_predictions(method, way, shots, settings):
    recipe, store = recipe_of(method, *settings), ToyStore()
    model = lively(build(method, *settings)).float()
    loader, clips = clip_loader(recipe, store), store.clips("test")
    episodes = Protocol("test", way, shots, queries=2, episodes=6, seed=1).draw(clips)
    features = embed_clips(model, loader, all_clips(clips))
    pixels = {clip: loader.load(clip).float() / 255 for clip in all_clips(clips)}
    query = features.gather([clip for e in episodes for clip in e.query_clips], (len(episodes), way * 2))
    support = features.gather([clip for e in episodes for clip in e.support_clips], (len(episodes), way, max(shots)))
    for shot in shots:
        with torch.inference_mode():
            cached = model.match({name: value[:, :, :shot] for name, value in support.items()}, query).total
            for episode, ours in zip(episodes, cached, strict=True):
                own = torch.stack([pixels[clip] for ids in episode.support for clip in ids[:shot]])
                labels = torch.arange(way).repeat_interleave(shot)
                theirs = model(own, labels, torch.stack([pixels[clip] for clip in episode.query_clips])).total
                assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
                ranked = theirs.sort(dim=-1, descending=True).values
                clear = ranked[:, 0] - ranked[:, 1] > NARROW * (ranked[:, 0] - ranked[:, -1])
                assert torch.equal(ours.argmax(-1)[clear], theirs.argmax(-1)[clear])
                assert clear.any()
