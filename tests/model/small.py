"""A backbone and clips small enough for the loops of `reference`."""

import torch
from torch import nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.episode import group_by_label

FRAMES, CHANNELS = 4, 6


def convolution():
    """One convolution with fixed random weights: 9×7 pixels to a 5×4 map of 6 channels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Backbone(trunk=nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1), dim=CHANNELS)


def maps_as_clips(channels):
    """A backbone that takes maps of features, `(N, L, D, h, w)`, in the place of frames."""
    return Backbone(trunk=nn.Identity(), dim=channels)


def with_random_norms(model):
    """The same model with LayerNorms that scale and shift, in float64 and evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for relation in model.temporal_relations.relations.values():
            nn.init.normal_(relation.key_norm.weight)
            nn.init.normal_(relation.key_norm.bias)
    return model.double().eval()


def clips(count, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, FRAMES, 3, 9, 7, dtype=torch.float64, generator=generator)


def match(layer, support, labels, queries):
    """Logits (Q, C) of a layer with `embed` and `match`."""
    grouped, mask = group_by_label(layer.embed(support), labels)
    return layer.match(grouped, {name: value[None] for name, value in layer.embed(queries).items()}, mask)[0]


def maps_of(model, videos):
    with torch.no_grad():
        return [model.backbone(clip[None])[0].numpy() for clip in videos]


def by_label(maps, labels):
    return {label: [m for m, other in zip(maps, labels, strict=True) if other == label] for label in set(labels)}
