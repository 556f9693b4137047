import numpy as np
import pytest
import torch

from strmctl.model.patch_enrichment import PatchEnrichment
from tests.model.reference import patch_enrichment, relative_error, weights_of


@pytest.mark.parametrize(("patches", "hidden"), [(16, None), (16, 5), (1, None), (9, 20)])
def test_equals_the_equations_frame_by_frame(patches, hidden):
    torch.manual_seed(0)
    layer = PatchEnrichment(channels=6, hidden=hidden).double()
    x = 3 * torch.randn(2, 3, patches, 6, dtype=torch.float64)
    weights = weights_of(layer)
    expected = np.array([[patch_enrichment(weights, frame) for frame in clip] for clip in x.numpy()])
    assert relative_error(layer(x), expected) < 1e-10


def test_hidden_width_is_half_the_channels_unless_set():
    assert PatchEnrichment(channels=6).psi[2].weight.shape == (3, 3)
    assert PatchEnrichment(channels=6, hidden=5).psi[2].weight.shape == (5, 5)
