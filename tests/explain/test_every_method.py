"""Every method of the table can be looked at: its maps, and which frames it compares, where it says so."""

from types import SimpleNamespace

import pytest
import torch

from strmctl.explain.attention import BACKBONE, WORDS, attention_maps
from strmctl.explain.match import match_query
from strmctl.explain.subjects import Subject
from strmctl.explain.viewers import method_label
from strmctl.model.episode import group_by_label, told
from strmctl.model.methods.table import METHODS
from strmctl.runs.build import build_model
from tests.small_world import small_recipe


@pytest.mark.parametrize("method", METHODS)
def test_maps_and_correspondence(method):
    recipe = small_recipe(f"method={method}")
    model = build_model(recipe, pretrained=False).eval()
    clips = torch.randint(0, 256, (4, 8, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    maps = attention_maps(model, clips[0])
    assert next(iter(maps)) == BACKBONE and maps.keys() <= WORDS.keys() and len(maps) >= 2
    for values in maps.values():
        assert len(values) == 8 and values.min() >= 0 and values.std() > 0
    assert method_label(recipe) == METHODS[method].label
    subjects = [Subject(f"c{n}", "", clip, range(8), [], 8, 0, {"clip": f"c{n}"}, iter) for n, clip in enumerate(clips)]
    run = SimpleNamespace(model=model, recipe=recipe, name="run")
    match = match_query(run, subjects[3], {"a": subjects[:1], "b": subjects[1:3]}, true="a")
    assert sum(one.probability for one in match.classes) == pytest.approx(1)
    with torch.no_grad():
        floats = clips.float() / 255
        names = {"names": ["a", "b"]} if hasattr(model, "text") else {}
        total = model(floats[:3], torch.tensor([0, 1, 1]), floats[3:], **names).total[0]
    distances = {one.name: one.distance for one in match.classes}
    assert distances == pytest.approx({"a": -float(total[0]), "b": -float(total[1])}, rel=1e-4, abs=1e-5)
    if not hasattr(model, "correspondence"):
        assert all(one.pairs == [] for one in match.classes)
        return
    with torch.no_grad():
        features = model.embed(floats)
        shots = {name: value[:3] for name, value in features.items()}
        grouped, mask = group_by_label(shots, torch.tensor([0, 1, 1]))
        grouped = told(model, grouped, [["a", "b"]])
        found = model.correspondence(grouped, {name: value[None, 3:] for name, value in features.items()}, mask)
    assert len(match.classes[0].pairs) == len(found)
    for words, weights, query_frames, support_frames in found:
        assert words
        assert weights.shape == (1, 1, 2, 2, len(query_frames), len(support_frames))
        assert weights.min() >= 0 and weights[0, 0, 0, 1].max() == 0  # the first class has one shot
        assert weights[0, 0, 0, 0].max() > 0 and weights[0, 0, 1].max() > 0
        for frames in (query_frames, support_frames):
            assert frames.min() >= 0 and frames.max() < recipe.steps
