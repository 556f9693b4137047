import numpy as np
import pytest
import torch

from strmctl.model.frame_enrichment import FrameEnrichment
from tests.model.reference import frame_enrichment, relative_error, weights_of


@pytest.mark.parametrize(("frames", "channels"), [(8, 6), (5, 5), (3, 10)])
def test_equals_the_equations_clip_by_clip(frames, channels):
    torch.manual_seed(0)
    layer = FrameEnrichment(frames=frames, channels=channels).double()
    x = 3 * torch.randn(4, frames, channels, dtype=torch.float64)
    expected = np.array([frame_enrichment(weights_of(layer), clip) for clip in x.numpy()])
    assert relative_error(layer(x), expected) < 1e-10
