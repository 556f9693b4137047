"""Runs that were never trained, for commands that only look at a model."""

import pytest

from strmctl.ablation.cells import Cell
from strmctl.ablation.grid_file import Grid
from strmctl.evaluation.match import Protocol
from strmctl.paths import write_text
from strmctl.recipe import load_recipe
from strmctl.report.drawing import Figure
from strmctl.report.pictures import attention, contact_sheet, match
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import save_tensors
from strmctl.runs.folder import point_latest
from tests.small_world import small, small_recipe


def make_run(folder, *assignments):
    recipe = load_recipe("sprites", ["trm.dim=8", *assignments])
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    save_tensors(folder / "weights.pt", build_model(recipe, pretrained=False).state_dict())
    point_latest(folder.parent, folder)
    return folder


SMALL = small()[1::2]


@pytest.fixture(scope="session")
def several(tmp_path_factory):
    """Runs of several methods that were never trained, and a grid of some."""
    runs = tmp_path_factory.mktemp("several") / "runs"
    own = ("data.dataset=mine", *SMALL)
    for name, changes in {
        "trx": ("method=trx",),
        "ple": ("frame_enrichment.enabled=false", "query_class.enabled=false"),
        "strm": (),
        "otam": ("method=otam",),
        "long": ("input.frames=10",),
        "prototype": ("method=prototype",),
        "trx23": ("method=trx", "train.seed=1"),
        "large": ("input.size=40",),
        "rate": ("input.rate=12",),
    }.items():
        make_run(runs / name, *own, *changes)
    cells = [Cell(label, run, small_recipe()) for label, run in (("TRX", "trx"), ("STRM", "strm"), ("TRX", "otam"))]
    notes = {"recipe": "sprites", "commands": [], "threads": 1}
    Grid("components", "grid", cells, Protocol(), notes, {}).write(runs)
    return runs


@pytest.fixture
def drawn(monkeypatch):
    """What pictures were drawn of, as arguments and keywords; the pictures are empty, for drawing takes time."""
    calls = []
    for module, name in ((attention, "draw_maps"), (match, "draw_match"), (contact_sheet, "draw_sheet")):
        monkeypatch.setattr(module, name, lambda *given, **named: calls.append((given, named)) or Figure())
    return calls
