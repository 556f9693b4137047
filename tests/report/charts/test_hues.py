"""The colours of charts: whether everybody tells them apart, on a light page, on a dark one and in print."""

import itertools

import numpy as np
import pytest

from strmctl.model.methods.table import METHODS
from strmctl.report.charts.hues import ACCENT, DARK, GROUND, HUES, INK, MARKERS, PUBLISHED, method_of, styles, styles_of
from tests.report.charts.charts_for_tests import draw_all
from tests.saved import COMPONENTS, entry, sample

# What readers see who lack one kind of cone: linear RGB, Machado et al., 2009, severity 1.
EYES = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
LMS = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566]]
LMS.append([0.0883024619, 0.2817188376, 0.6299787005])
LAB = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099]]
LAB.append([0.0259040371, 0.7827717662, -0.8086757660])
APART = 0.08  # in OKLab, about four times what is just seen
SCHEMES = {"light": {light: light for light in DARK}, "dark": DARK}


def linear(colour):
    """Linear RGB of `#rrggbb`."""
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def oklab(parts):
    return np.cbrt(np.clip(parts, 0, 1) @ np.transpose(LMS)) @ np.transpose(LAB)


def contrast(first, second):
    """As WCAG 2 defines it, 1 to 21."""
    low, high = sorted(float(linear(one) @ [0.2126, 0.7152, 0.0722]) for one in (first, second))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_hues_differ_for_all_eyes(scheme, eyes):
    seen = {one: oklab(linear(SCHEMES[scheme][one]) @ np.transpose(EYES[eyes])) for one in (ACCENT, *HUES)}
    near = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(seen, 2)}
    assert min(near.values()) >= APART, min(near, key=near.get)


def test_distances_are_those_of_colours_and_eyes():
    """Red and green of one lightness, which half of this test would tell apart and the other half would not."""
    red, green = linear("#e41a1c"), linear("#4a8a1c")
    usual, lacking = (
        np.linalg.norm(np.subtract(*(oklab(one @ np.transpose(EYES[eyes])) for one in (red, green))))
        for eyes in ("usual", "deuteranopia")
    )
    assert usual > 0.25 and lacking < 0.5 * usual


@pytest.mark.parametrize("scheme", SCHEMES)
def test_hues_and_ink_stand_out_from_every_ground(scheme):
    shown = SCHEMES[scheme]
    for ground in (shown[GROUND], shown[PUBLISHED]):
        assert min(contrast(shown[one], ground) for one in (ACCENT, *HUES)) >= 3
        assert contrast(shown[INK], ground) >= 7


def test_no_two_methods_look_alike_and_in_grey_markers_and_lines_tell():
    shown = styles([*COMPONENTS, *(method.label for method in METHODS.values())])
    looks = [(one["color"], one["marker"]) for one in shown.values()]
    assert len(set(looks)) == len(looks) == len(METHODS) + 3
    for one in (ACCENT, *HUES):  # what has one hue differs in marker and in line
        same = [look for look in shown.values() if look["color"] == one]
        assert len({look["marker"] for look in same}) == len({str(look["linestyle"]) for look in same}) == len(same)
    assert [label for label, look in shown.items() if look["color"] == ACCENT] == ["STRM"]
    together = [shown[label]["color"] for label in (*COMPONENTS, "TRX", "OTAM", "prototype")]
    assert len(set(together)) == 8
    assert len(set(MARKERS)) == len(MARKERS) and "o" not in MARKERS


@pytest.mark.parametrize(
    ("label", "method"),
    {
        "OTAM, frames shuffled": "OTAM",
        "prototype, cosine": "prototype",
        "TRM+PLE": "TRM+PLE",
        "TRM, backbone trained": "TRM",
        "STRM {2}": "STRM",
        "hyrsm_pp with 2 heads": "HyRSM++",
        "CMN (approximate)": "CMN",
        "CLIP-FSAR (given class names)": "CLIP-FSAR",
        "chamfer++": "Chamfer++",
        "ours-strm-s0": "STRM",
        "TRXY": None,
        "TRM+more": None,
        "": None,
    }.items(),
)
def test_the_method_of_a_label(label, method):
    assert method_of(label) == method


def test_a_method_looks_the_same_whatever_stands_beside_it():
    whole = styles([*COMPONENTS, *(method.label for method in METHODS.values())])
    for label, look in whole.items():
        assert styles([label])[label] == look == styles(["mine", label, "other"])[label]
    assert styles(["STRM {2}"])["STRM {2}"] == whole["STRM"]


def test_further_models_of_a_method_keep_its_hue_and_other_labels_take_what_is_left():
    labels = ["OTAM", *(f"OTAM, {number}" for number in range(8)), "mine", "yours", *(f"more {n}" for n in range(40))]
    shown = styles(labels)
    assert {shown[label]["color"] for label in labels[:9]} == {shown["OTAM"]["color"]}
    looks = [(one["color"], one["marker"], one["fillstyle"], str(one["linestyle"])) for one in shown.values()]
    assert len(set(looks)) == len(labels)
    assert ACCENT not in [one["color"] for one in shown.values()]


def test_a_label_looks_the_same_in_all_charts_of_a_report():
    custom = {"OTAM, frames shuffled": {1: entry(0.4)}, "TRM": {1: entry(0.5)}, "mine": {1: entry(0.6)}}
    document = sample(custom=custom, shots={"mine": {1: entry(0.5)}, "OTAM": {1: entry(0.4)}})
    shown, figures = styles_of(document), draw_all(document)
    (axes,) = figures["shots"].axes
    assert [bar[0].get_color() for bar in axes.containers] == [shown["mine"]["color"], shown["OTAM"]["color"]]
    rows = [bar[0] for bar in figures["custom"].axes[0].containers]
    assert [(row.get_color(), row.get_marker()) for row in rows] == [
        (shown[label]["color"], shown[label]["marker"]) for label in custom
    ]
