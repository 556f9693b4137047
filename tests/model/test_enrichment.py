import numpy as np
import pytest
import torch

from strmctl.model.frame_enrichment import FrameEnrichment
from strmctl.model.patch_enrichment import PatchEnrichment
from tests.model.reference import frame_enrichment, patch_enrichment, relative_error, weights_of


@pytest.mark.parametrize(("patches", "hidden"), [(16, None), (16, 5), (1, None), (9, 20)])
def test_ple_equals_the_equations_frame_by_frame(patches, hidden):
    torch.manual_seed(0)
    layer = PatchEnrichment(channels=6, hidden=hidden).double()
    assert layer.psi[2].weight.shape == (hidden or 3, hidden or 3)
    x = 3 * torch.randn(2, 3, patches, 6, dtype=torch.float64)
    weights = weights_of(layer)
    expected = np.array([[patch_enrichment(weights, frame) for frame in clip] for clip in x.numpy()])
    assert relative_error(layer(x), expected) < 1e-10


@pytest.mark.parametrize(("frames", "channels"), [(8, 6), (5, 5), (3, 10)])
def test_fle_equals_the_equations_clip_by_clip(frames, channels):
    torch.manual_seed(0)
    layer = FrameEnrichment(frames=frames, channels=channels).double()
    x = 3 * torch.randn(4, frames, channels, dtype=torch.float64)
    expected = np.array([frame_enrichment(weights_of(layer), clip) for clip in x.numpy()])
    assert relative_error(layer(x), expected) < 1e-10
