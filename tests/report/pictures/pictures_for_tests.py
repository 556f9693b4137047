"""Frames, maps, counts and rows of clips that are drawn by chance."""

import matplotlib.image
import numpy as np

from strmctl.report.drawing import save_picture
from strmctl.report.pictures.attention import MapRow
from strmctl.report.pictures.contact_sheet import HEIGHT, SheetRow
from strmctl.report.pictures.timeline import TimelineRow

LONG = "Putting something that cannot actually stand upright upright on the table, so it falls on its side"
LABELS = {
    "backbone": "length of each vector",
    "after patch-level enrichment": "length of each vector",
    "in the frame (H)": "what each place adds",
    "in the enriched frame (E)": "how far each place agrees",
}


def maps_of(side=64, frames=8, patches=4, seed=0):
    """Frames, and rows of maps."""
    random = np.random.Generator(np.random.Philox(seed))
    maps = [random.uniform(row, 10 * row + 5, (frames, patches, patches)) for row in range(len(LABELS))]
    rows = [MapRow(*label, values) for label, values in zip(LABELS.items(), maps, strict=True)]
    return random.integers(0, 256, (frames, side, side, 3), np.uint8), rows


def counts_of(classes, seed=0):
    """A confusion matrix, most of it on the diagonal."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 60, (classes, classes)) * (generator.random((classes, classes)) < 0.7)
    np.fill_diagonal(counts, 700)
    return counts


def names_of(classes):
    return [f"{number} {LONG}" for number in range(classes)]


def pictures_of(size=(HEIGHT, 128), count=8, seed=0):
    return list(np.random.Generator(np.random.Philox(seed)).integers(0, 256, (count, *size, 3), np.uint8))


def sheet_row(name="walk/a", facts=("train · walk", "9 frames", "ok · opencv"), size=(HEIGHT, 128), seed=0):
    return SheetRow(name, facts, pictures_of(size, seed=seed))


def rows_over_time(names, seconds=10.0, seed=0):
    """Rows of a timeline, each with two stretches, and the edges of 400 cells."""
    random, edges = np.random.Generator(np.random.Philox(seed)), np.linspace(0, seconds, 401)
    rows = []
    for position, name in enumerate(names):
        start, end = sorted(random.uniform(0, seconds / 2, 2))
        stretches = [(start, end, 0.9), (0.9 * seconds, seconds, 1.0)] if position < 30 else []
        rows.append(TimelineRow(name, random.uniform(0, 1, 400), stretches))
    return rows, edges


def pixels_of(figure, path):
    """The pixels of a figure as it is saved, uint8 (h, w, 3)."""
    save_picture(figure, path)
    return np.rint(255 * matplotlib.image.imread(path)[..., :3]).astype(np.uint8)
