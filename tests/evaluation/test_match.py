import pytest
import torch

from strmctl.errors import UsageError
from strmctl.evaluation import tables
from strmctl.evaluation.embed import ClipFeatures, ahead, embed_batches, embed_clips
from strmctl.evaluation.match import NARROW, Protocol, all_clips, evaluate, evaluate_uncached, match_episodes
from strmctl.model.episode import Logits
from strmctl.runs.build import build_model, clip_loader
from strmctl.threads import LOADERS
from tests.runs.test_build import lively
from tests.small_world import small_recipe

PROTOCOL = Protocol(way=2, shots=(1, 2), queries=1, episodes=20, seed=4)  # two blocks


@pytest.fixture
def model():
    return build_model(small_recipe(), pretrained=False).double().eval()


@pytest.fixture
def loader(store):
    return clip_loader(small_recipe(), store)


@pytest.fixture
def clips(store):
    return store.clips("test")


def forward(model, pixels, episode, shot):
    """The total of the model's own forward on the frames of an episode."""
    support = torch.stack([pixels[clip] for ids in episode.support for clip in ids[:shot]])
    labels = torch.arange(len(episode.classes)).repeat_interleave(shot)
    with torch.inference_mode():
        return model(support, labels, torch.stack([pixels[clip] for clip in episode.query_clips])).total


def test_cached_features_predict_what_the_model_predicts_episode_by_episode(model, loader, clips, reads):
    """Other code computes every episode from its own frames, through the model's forward."""
    found = evaluate(model, loader, clips, PROTOCOL)
    assert sorted(reads) == all_clips(clips), "each clip once"
    pixels = {clip: loader.load(clip).double() / 255 for clip in all_clips(clips)}
    expected = [
        (shot, episode.index, clip, name, episode.classes[column])
        for shot in PROTOCOL.shots
        for episode in PROTOCOL.draw(clips)
        for name, (clip,), column in zip(
            episode.classes, episode.query, forward(model, pixels, episode, shot).argmax(-1).tolist(), strict=True
        )
    ]
    assert found.rows == expected
    del reads[:]
    assert evaluate_uncached(model, loader, PROTOCOL.draw(clips), PROTOCOL.shots) == found
    assert len(reads) == PROTOCOL.episodes * 2 * (1 + 1 + 2), "queries once, support for each shot"


def test_the_number_of_episodes_does_not_change_the_first_ones(model, loader, clips):
    features = embed_clips(model, loader, all_clips(clips))
    episodes = PROTOCOL.draw(clips)
    many, few = (match_episodes(model, features, episodes[:count], (2,)) for count in (20, 5))
    assert many.rows[: len(few.rows)] == few.rows


@pytest.mark.parametrize("method", ["strm", "hyrsm", "prototype"])
def test_blocks_of_any_size_predict_alike(loader, clips, monkeypatch, method):
    """20 episodes in blocks of 16, of one each, and of a GPU, which holds them all and is filled up."""
    model = build_model(small_recipe(f"method={method}"), pretrained=False)
    features = embed_clips(model, loader, all_clips(clips))
    monkeypatch.setattr(tables, "TABLE_BYTES", 0)
    found = []
    for block in (tables.SMALL, tables.Block(1, 1), tables.LARGE):
        monkeypatch.setattr(tables, "SMALL", block)
        found.append(match_episodes(model, features, PROTOCOL.draw(clips), PROTOCOL.shots))
    assert found[0] == found[1] == found[2]


def test_a_gpu_takes_larger_blocks():
    sizes = [tables.block_size(100_000, 5, 25, 5, torch.device(name)) for name in ("cpu", "cuda")]
    assert sizes == [1, (256 << 20) // (50 * 100_000)]


CASES = [
    ("strm", 3, ("trm.cardinalities=[2]",)),
    ("strm", 2, ("trm.cardinalities=[2, 3, 4]", "model.preset=released")),
    ("trm", 2, ("trm.distance=norm",)),
    ("trx", 3, ()),
    ("otam", 3, ()),
    ("chamfer", 3, ()),
    ("prototype", 2, ("prototype.distance=cosine",)),
    ("prototype", 3, ()),
]


@pytest.mark.parametrize(("method", "way", "settings"), CASES)
def test_in_float32_features_made_once_give_the_logits_of_each_episode_from_its_own_frames(
    loader, clips, method, way, settings
):
    model = lively(build_model(small_recipe(f"method={method}", *settings), pretrained=False)).float()
    episodes = Protocol("test", way, (1, 2), episodes=6, seed=1).draw(clips)
    features = embed_clips(model, loader, all_clips(clips))
    pixels = {clip: loader.load(clip).float() / 255 for clip in all_clips(clips)}
    query = features.gather([clip for e in episodes for clip in e.query_clips], (len(episodes), way))
    support = features.gather([clip for e in episodes for clip in e.support_clips], (len(episodes), way, 2))
    for shot in (1, 2):
        with torch.inference_mode():
            cached = model.match({name: value[:, :, :shot] for name, value in support.items()}, query).total
        for episode, ours in zip(episodes, cached, strict=True):
            theirs = forward(model, pixels, episode, shot)
            assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
            ranked = theirs.sort(dim=-1, descending=True).values
            clear = ranked[:, 0] - ranked[:, 1] > NARROW * theirs.abs().amax(dim=-1)
            assert clear.any() and torch.equal(ours.argmax(-1)[clear], theirs.argmax(-1)[clear])


class Scripted(torch.nn.Module):
    """A method whose logits are given: those of two classes lie 100 and a margin below 0, those of others lower."""

    def __init__(self, margins):
        super().__init__()
        self.margins = torch.nn.Parameter(torch.tensor(margins, dtype=torch.float64))

    def match(self, support, query):
        episodes, way = support["x"].shape[:2]
        logits = torch.full((len(self.margins), way), -200.0, dtype=torch.float64)
        logits[:, 0], logits[:, 1] = -100, -100 - self.margins
        return Logits(logits.expand(episodes, -1, -1))


@pytest.mark.parametrize("way", [2, 3])
def test_predictions_that_rounding_may_decide_are_counted(way):
    clips = {f"c{c}": [f"c{c}/{i}" for i in range(4)] for c in range(way)}
    ids = all_clips(clips)
    features = ClipFeatures({"x": torch.zeros(len(ids), 1)}, {clip: row for row, clip in enumerate(ids)})
    protocol = Protocol(way=way, shots=(1, 2), queries=1, episodes=21)
    largest = 100.0 if way == 2 else 200.0
    margins = [0.0, 0.99 * NARROW * largest, 1.02 * NARROW * largest][-way:]
    found = match_episodes(Scripted(margins), features, protocol.draw(clips), protocol.shots)
    assert found.narrow == dict.fromkeys((1, 2), (way - 1) * 21)
    assert {row.predicted for row in found.rows} == {"c0"}


def test_what_cannot_be_drawn_is_refused_before_any_clip_is_read(model, loader, clips, reads):
    for wrong in (Protocol(way=20), Protocol(way=3, shots=(8,))):
        with pytest.raises(UsageError):
            evaluate(model, loader, clips, wrong)
    assert not reads


def test_embedding_restores_the_mode(model, loader, clips):
    expected = embed_clips(model, loader, all_clips(clips)).tensors
    found = embed_clips(model.train(), loader, all_clips(clips)).tensors
    assert model.training and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("threads", ["1", "9", "40"])
def test_however_many_threads_read_features_are_made_of_the_same_batches(model, loader, clips, monkeypatch, threads):
    ids = all_clips(clips)
    expected = [{name: value.clone() for name, value in part.items()} for part in embed_batches(model, loader, ids)]
    monkeypatch.setenv(LOADERS, threads)
    for depth in (0, 2):
        found = list(embed_batches(model, loader, ids, depth=depth))
        assert len(found) == len(expected) == 3
        for one, other in zip(found, expected, strict=True):
            assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_loading_ahead_keeps_order_and_passes_errors_on():
    for depth in (0, 1, 3, 20):
        assert list(ahead(lambda x: x * x, range(10), depth=depth)) == [x * x for x in range(10)]
    got = ahead(lambda x: 1 / (x - 3), range(10), depth=2)
    assert [next(got) for _ in range(3)] == [-1 / 3, -1 / 2, -1]
    with pytest.raises(ZeroDivisionError):
        next(got)
