import pytest
import torch

from strmctl.model.methods.trx import build_trx
from tests.model import reference
from tests.model.reference import relative_error, weights_of
from tests.model.small import FRAMES, by_label, clips, convolution, maps_of, with_random_norms

LABELS = [8, 2, 8, 5, 2, 8]  # three, two and one shots


@pytest.mark.parametrize("distance", ["squared", "norm"])
@pytest.mark.parametrize(("cardinalities", "combine"), [((2,), "sum"), ((2, 3), "sum"), ((1, 2, 3), "mean")])
def test_trx_equals_the_loops(cardinalities, combine, distance):
    size = {"frames": FRAMES, "dim": 4, "patches": 2, "cardinalities": cardinalities}
    model = with_random_norms(build_trx(backbone=convolution(), combine=combine, distance=distance, **size))
    support, queries = clips(6), clips(2, seed=2)
    settings = {"patch_enrichment": False, "frame_enrichment": False, "distance": distance, **size}
    settings["deviations"] = ["mean_over_cardinalities"] if combine == "mean" else []
    shots = by_label(maps_of(model, support), LABELS)
    expected, _ = reference.strm(weights_of(model), settings, shots, maps_of(model, queries))
    logits = model(support, torch.tensor(LABELS), queries)
    assert relative_error(logits.total, expected) < 1e-10
    assert torch.equal(logits.total, logits.trm)
    assert logits.query_class is None
