import numpy as np
import pytest
import torch
from torch import nn

from strmctl.model.backbones.build import build_backbone
from strmctl.model.episode import group_by_label
from strmctl.model.methods.strm import build_strm
from strmctl.model.seeding import seeded
from tests.model import reference
from tests.model.reference import relative_error, weights_of
from tests.model.small import FRAMES, by_label, clips, convolution, maps_of, with_random_norms

SIZE = 64
OFF = {"patch_enrichment": False, "frame_enrichment": False, "query_class": False}


def build(**settings):
    """STRM with random norms and a backbone of 6 channels, in float64 and evaluation mode."""
    return with_random_norms(build_strm(backbone=convolution(), frames=FRAMES, dim=4, **{"patches": 2, **settings}))


@pytest.mark.parametrize("patch_enrichment", [True, False])
@pytest.mark.parametrize("frame_enrichment", [True, False])
@pytest.mark.parametrize(("cardinalities", "distance"), [((2,), "squared"), ((1, 3), "norm")])
def test_the_whole_model_equals_the_equations(patch_enrichment, frame_enrichment, cardinalities, distance):
    settings = {"patches": 2, "patch_enrichment": patch_enrichment, "frame_enrichment": frame_enrichment}
    settings |= {"cardinalities": cardinalities, "distance": distance}
    model = build(**settings, query_class_weight=0.3)
    labels = [4, 7, 4, 9, 9, 9]
    support, queries = clips(6), clips(2, seed=2)
    logits = model(support, torch.tensor(labels), queries)
    shots = by_label(maps_of(model, support), labels)
    trm, qc = reference.strm(weights_of(model), settings, shots, maps_of(model, queries))
    assert relative_error(logits.trm, trm) < 1e-10
    assert relative_error(logits.query_class, qc) < 1e-10
    assert relative_error(logits.total, trm + 0.3 * qc) < 1e-10


def test_prediction_by_trm_alone_still_has_query_class_logits():
    episode = clips(3), torch.arange(3), clips(2, seed=2)
    joint, alone = build()(*episode), build(prediction="trm")(*episode)
    assert torch.equal(alone.total, joint.trm)
    assert torch.equal(alone.query_class, joint.query_class)
    assert torch.equal(joint.total, joint.trm + 0.1 * joint.query_class)


def test_many_episodes_at_once_equal_each_on_its_own():
    model = build(cardinalities=(2, 3))
    features = model.embed(clips(12))
    generator = torch.Generator().manual_seed(3)
    support_ids = torch.stack([torch.randperm(12, generator=generator)[:6].view(3, 2) for _ in range(5)])
    query_ids = torch.randint(12, (5, 4), generator=generator)
    mask = torch.rand(5, 3, 2, generator=generator) < 0.5
    mask[..., 0] = True
    assert not mask.all()
    support = {name: value[support_ids] for name, value in features.items()}
    query = {name: value[query_ids] for name, value in features.items()}
    together = model.match(support, query, mask)
    for i in range(5):
        one = slice(i, i + 1)
        alone = model.match({n: v[one] for n, v in support.items()}, {n: v[one] for n, v in query.items()}, mask[one])
        for name in ("total", "trm", "query_class"):
            assert relative_error(getattr(together, name)[one], getattr(alone, name).detach()) < 1e-12
    # An absent shot is no shot: the same episode with that clip left out.
    shots = mask[0]
    labels = torch.arange(3)[:, None].expand(3, 2)[shots]
    alone = model(clips(12)[support_ids[0][shots]], labels, clips(12)[query_ids[0]])
    assert relative_error(together.total[0], alone.total.detach()) < 1e-10


def test_an_episode_of_other_shapes_is_refused():
    model = build()
    labels = torch.arange(3)
    for episode, words in (
        ((clips(3), labels[:2], clips(1)), "3 support clips need as many labels"),
        ((clips(3)[0], labels, clips(1)), "support clips must be float"),
        ((clips(3), labels, clips(1).byte()), "query clips must be float"),
    ):
        with pytest.raises(ValueError, match=words):
            model(*episode)


def test_group_by_label_sorts_classes_keeps_clips_in_order_and_masks_what_is_missing():
    features = {"x": torch.tensor([[1], [2], [3], [4], [5]])}
    grouped, mask = group_by_label(features, torch.tensor([8, 2, 8, 8, 5]))
    assert mask.tolist() == [[[True, False, False], [True, False, False], [True, True, True]]]
    assert grouped["x"].shape == (1, 3, 3, 1)
    assert grouped["x"][mask].flatten().tolist() == [2, 5, 1, 3, 4]


def test_enrich_shows_every_stage():
    full, plain, videos = build(), build(**OFF), clips(2)
    stages, without = full.enrich(videos), plain.enrich(videos)
    maps = full.backbone(videos).flatten(0, 1).detach().numpy()
    pooled = np.array([reference.pooled_patches(m, 2) for m in maps])
    ple = reference.part(weights_of(full), "patch_enrichment")
    patches = np.array([reference.patch_enrichment(ple, frame) for frame in pooled])
    for name, expected in (("map_patches", pooled), ("patches", patches), ("frames", patches.mean(axis=1))):
        assert relative_error(getattr(stages, name).flatten(0, 1), expected) < 1e-10
    assert relative_error(stages.enriched_frames, full.frame_enrichment(stages.frames).detach()) < 1e-12
    assert torch.equal(without.patches, without.map_patches) and torch.equal(without.patches, stages.map_patches)
    assert torch.equal(without.enriched_frames, without.frames)
    assert relative_error(without.frames.flatten(0, 1), maps.mean(axis=(2, 3))) < 1e-12


@pytest.mark.parametrize(
    "change", [*({name: False} for name in OFF), {"cardinalities": (3, 2, 1)}, {"patch_hidden": 5}]
)
def test_a_switch_leaves_the_initial_weights_of_the_other_blocks_alone(change):
    full, other = build_conv3().state_dict(), build_conv3(**change).state_dict()
    shared = {name for name in full if name in other and not name.startswith("patch_enrichment.psi")}
    assert any(name.startswith("temporal_relations.relations.2.") for name in shared)
    assert any(name.startswith("backbone.") for name in shared)
    assert all(torch.equal(full[name], other[name]) for name in shared)
    assert full.keys() != other.keys() or "patch_hidden" in change


def test_another_seed_changes_every_block():
    one, two = build_conv3(), build_conv3(seed=1)
    norms = tuple(name for name, m in one.named_modules() if isinstance(m, nn.BatchNorm2d | nn.LayerNorm))
    for (name, a), (_, b) in zip(one.named_parameters(), two.named_parameters(), strict=True):
        assert torch.equal(a, b) == name.startswith(norms), name


def build_conv3(**settings):
    with seeded(settings.get("seed", 0), "backbone"):
        backbone = build_backbone("conv3", weights="none")
    return build_strm(**{"backbone": backbone, "dim": 8, "frames": FRAMES, **settings})


def test_a_training_step_on_the_support_itself_or_on_nothing_stays_finite():
    torch.manual_seed(0)
    for videos in (torch.rand(3, FRAMES, 3, SIZE, SIZE), torch.zeros(3, FRAMES, 3, SIZE, SIZE)):
        model = build_conv3(dropout=0.0)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(2):
            optimiser.zero_grad()
            logits = model(videos, torch.arange(3), videos)
            nn.functional.cross_entropy(logits.total, torch.arange(3)).backward()
            assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
            optimiser.step()
        assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_support_and_query_pass_batch_norm_separately():
    model = build_conv3(dropout=0.0)
    support, queries = torch.rand(2, FRAMES, 3, SIZE, SIZE), torch.rand(2, FRAMES, 3, SIZE, SIZE) / 2
    before = {name: value.clone() for name, value in model.embed(support).items()}
    grouped, mask = group_by_label(before, torch.arange(2))
    query = {name: value[None] for name, value in model.embed(queries).items()}
    expected = model.match(grouped, query, mask).total[0]
    assert torch.equal(model(support, torch.arange(2), queries).total, expected)
