"""The study in `reports/sprites`: what it measures of maps, against boxes that are counted pixel by pixel."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from strmctl.datasets.sprites.render import moving_boxes
from strmctl.errors import DataError
from strmctl.recipe import load_recipe

FILE = Path(__file__).parents[2] / "reports" / "sprites" / "attention.py"
spec = importlib.util.spec_from_file_location("attention_study", FILE)
study = sys.modules["attention_study"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(study)


def shape(**values):
    return load_recipe("sprites", [f"input.{key}={value}" for key, value in values.items()]).input


@pytest.mark.parametrize(("size", "crop"), [(64, 64), (96, 64), (48, 32)])
def test_a_pixel_is_inside_where_its_centre_is_in_a_box(size, crop):
    boxes = moving_boxes("push", 1)[::5]
    mask = study.inside(boxes, shape(size=size, crop=crop))
    for frame, y, x in np.ndindex(mask.shape):
        across, down = ((place + 0.5 + (size - crop) / 2) * 64 / size for place in (x, y))
        within = [left <= across <= right and top <= down <= bottom for left, top, right, bottom in boxes[frame]]
        assert mask[frame, y, x] == any(within)


def test_invisible_objects_are_nowhere():
    mask = study.inside(moving_boxes("appear", 0), shape())
    assert not mask[0].any() and mask[-1].any()


def square(side=64, count=3):
    """Boxes of 16×16 pixels, an empty frame among them."""
    mask = np.zeros((count, side, side), bool)
    mask[0, :16, :16] = mask[1, 16:32, 32:48] = True
    return mask


def test_maps_of_known_measures():
    mask = square()
    assert study.measured(np.ones((3, 1, 1)), mask) == {"pointing": 1 / 16, "energy": 1 / 16}
    assert study.measured(np.zeros((3, 4, 4)), mask) == {"pointing": 1 / 16, "energy": 1 / 16}
    covered = study.baselines(mask)[study.BEST]
    assert covered[0, 0, 0] == 1 and covered[0].sum() == covered[1, 1, 2] == 1
    there = np.zeros((3, 64, 64))
    there[0, 3, 5] = there[1, 0, 0] = 2.0  # in the first box, and not in the second
    there[0, 63, 63] = 1.0
    assert study.measured(there, mask) == pytest.approx({"pointing": 0.5, "energy": (2 / 3 + 0) / 2})
    tied = np.zeros((3, 64, 64))
    tied[:2, 0, 0] = tied[:2, 17, 33] = 1.0
    assert study.measured(tied, mask) == pytest.approx({"pointing": 0.5, "energy": 0.5})


def row(run, stage, means, spread=0.1):
    random = np.random.Generator(np.random.Philox(0))
    return study.Row(
        run, stage, {k: m + spread * random.normal(size=50) for k, m in zip(study.MEASURES, means, strict=True)}
    )


def test_verdicts_follow_the_numbers():
    rows = [
        row(study.UNIFORM, "", (0.1, 0.1), 0),
        row(study.CENTRE, "", (0.4, 0.1), 0),
        row("TRX (a)", "backbone", (0.9, 0.9)),
        row("TRX (a)", "H", (0.5, 0.3)),
        row("TRM (c)", "H", (0.1, 0.2)),
        row("STRM (b)", "backbone", (0.9, 0.9)),
        row("STRM (b)", "E", (0.2, 0.3)),
    ]
    told = study.verdicts(rows)
    assert "**STRM's maps follow the object no better than TRX's**: worse in the pointing game and no better in" in told
    assert "- TRX: pointing game -30.0 ± 0.0 points (worse), energy inside +0.0 ± 0.0 points (no better)" in told
    assert "- TRM: pointing game +10.0 ± 0.0 points (better), energy inside +10.0 ± 0.0 points (better)" in told
    assert "better than the uniform map:\npointing game: TRX, STRM;\nenergy inside: TRX, TRM, STRM." in told
    assert "better than the centre of the frame:\npointing game: TRX;\n" in told
    better = study.verdicts([*rows[:4], row("STRM (b)", "E", (0.7, 0.5))])
    assert "**STRM's maps follow the object better than TRX's**" in better
    for some, label in ((rows[:5], "STRM"), (rows[4:], "TRX")):
        with pytest.raises(DataError, match=f"none of the runs is of {label}"):
            study.verdicts(some)
    mean = 100 * rows[3].values["pointing"].mean()
    assert f"| TRX (a) | in the frame (H) | {mean:.1f} ± " in study.table(rows)
