"""What `strmctl classify` gets right on JHMDB, as tables: `python reports/real/classify.py VIDEOS OUT.md`.

VIDEOS holds JHMDB's class folders. Every clip is embedded once by each backbone, and kept in `runs/.classify`, so that
a second call takes minutes. From there on, all is what `strmctl.Classifier` does.
"""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from montages import OVERLAP, STRIDE, WINDOW, found_in_montage

from strmctl.classify.calibration import calibration_error, log_loss, softmax
from strmctl.classify.classifier import Answers, Classifier
from strmctl.classify.examples import Example, Examples, find_examples
from strmctl.classify.features import example_features
from strmctl.classify.rejection import roc_area, scores
from strmctl.cli import console
from strmctl.datasets.splits import load_split
from strmctl.errors import DataError
from strmctl.evaluation.map_cache import tensors_sha256
from strmctl.evaluation.statistics.intervals import Z_95, class_bootstrap
from strmctl.model.enrichment import Maps
from strmctl.paths import write_text
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import build_model

WAY, SHOTS, REJECT = 8, (3, 5), 0.05  # the record has the last number of shots
CHOICE_DRAWS = 100
METHODS = {
    "prototypes, cosine": ("method=prototype", "prototype.distance=cosine"),
    "prototypes, squared": ("method=prototype", "prototype.distance=squared"),
    "OTAM": ("method=otam",),
    "Chamfer, both directions": ("method=chamfer", "chamfer.directions=both"),
    "Chamfer, from the query": ("method=chamfer", "chamfer.directions=query"),
}
MONTAGES, CUTS = 3, 10  # videos per draw, and clips in each
BACKBONES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")

CHOICE = """## The method, chosen on the {classes} train classes

{draws} draws of {way} of the classes and of examples from distinct sources, each example held out in turn. ± covers the
draw of classes and examples alone; log loss with the temperature that is fitted on the same held-out examples.
"""
HELD_OUT = ("held-out accuracy, %", "less the first, points", "log loss")
RECORD = """## The record, on the other classes

{draws} draws: each leaves another one of nine classes out ({classes})
and takes {shot} examples of each of the {way} others, from distinct sources. All clips of other sources are labelled:
{known_answers} answers to clips of the {way} classes, from {known_sources} sources, and {other_answers} to clips of
the 13 other classes of JHMDB, from {other_sources} sources. In brackets, the 95 % interval over redrawn sources, each
with all its answers. Log loss and expected calibration error without and with the temperature that the held-out
examples give. Refused: none of these, at `--reject {reject}`. Area under ROC: how well the score behind that tells
clips of the {way} classes from others.
"""
RECORDED = (
    *("accuracy, %", "log loss without, with", "calibration error, points", "refused of the 8 classes, %"),
    *("refused of the 13 others, %", "area under ROC"),
)
MONTAGE = """## Montages

{videos} videos of {cuts} clips each, with the examples of the draws above: {method},
`--window {window:g} --stride {stride:g}`. The clips are of the {way} classes and of other sources, and neighbours of
different classes. A segment finds an action that has its class where their times agree at least by {overlap:g}
(intersection over union).

- Of {actions:.0f} actions, {met:.0f} % are found; the mean of their best agreement is {best:.2f} (0 without a segment
  of the class).
- Of {segments:.0f} segments, {hits:.0f} % find an action.
"""
Made = tuple[torch.nn.Module, Recipe]


@dataclass(frozen=True)
class Material:
    """All clips, and the mean over the map of each frame, `(N, L, D)`, by a backbone."""

    examples: Examples
    frames: torch.Tensor
    backbone: str

    @property
    def clips(self) -> list[Example]:
        """All clips, in the order of the rows."""
        return self.examples.clips

    def model(self, changes: Sequence[str], *, pretrained: bool = False) -> Made:
        """The model of a method, and its recipe."""
        recipe = load_recipe("classify", [f"backbone.name={self.backbone}", *changes])
        return build_model(recipe, pretrained=pretrained).eval(), recipe

    @torch.inference_mode()
    def features(self, model: torch.nn.Module, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """What a method makes of clips."""
        return model.embed(Maps(None, self.frames[list(rows)]))

    def classifier(self, model: torch.nn.Module, recipe: Recipe, rows: Sequence[int]) -> Classifier:
        """The classifier that has these clips as examples."""
        some = Examples(self.examples.folder, [self.clips[row] for row in rows], [])
        features = self.features(model, rows)
        return Classifier(model, recipe, some, features, {}, weights_sha256="", reject=REJECT)


def read(videos: Path, runs: Path, backbone: str) -> Material:
    """Embeds all clips, or finds them in the folder of runs."""
    examples = find_examples(videos)
    recipe = load_recipe("classify", ["method=otam", f"backbone.name={backbone}"])  # its features are the frames
    model = build_model(recipe, pretrained=True).eval()
    with console.progress(backbone, "clips") as progress:
        found, unreadable = example_features(
            model,
            recipe,
            examples,
            runs,
            weights_sha256=tensors_sha256(model),
            progress=progress,
            announce=console.say,
        )
    if unreadable:
        raise DataError(f"clips cannot be read: {', '.join(unreadable)}")
    return Material(examples, found["frames"], backbone)


def in_order(items: Iterable[str], *seed: object) -> list[str]:
    """A shuffled order that is the same everywhere."""
    return sorted(items, key=lambda item: hashlib.sha256("\n".join(map(str, (*seed, item))).encode()).hexdigest())


def draw(clips: Sequence[Example], classes: Sequence[str], shot: int, *seed: object) -> list[int]:
    """Rows of `shot` examples of each class, each from a source of its own."""
    row_of, taken, rows = {clip.clip: row for row, clip in enumerate(clips)}, set(), []
    for cls in classes:
        mine = []
        for name in in_order([clip.clip for clip in clips if clip.cls == cls], *seed):
            source = clips[row_of[name]].source
            if len(mine) < shot and source not in taken:
                taken.add(source)
                mine.append(row_of[name])
        if len(mine) < shot:
            raise DataError(f"class {cls} has clips of {len(mine)} sources, and {shot} are needed")
        rows += mine
    return rows


def choice(material: Material, classes: Sequence[str], methods: Mapping[str, Sequence[str]], shot: int) -> np.ndarray:
    """Held-out accuracy and log loss, (methods, draws, 2): `WAY` of the classes are drawn, and examples of them."""
    rows = [
        draw(material.clips, sorted(in_order(classes, "choice", number)[:WAY]), shot, "choice", number)
        for number in range(CHOICE_DRAWS)
    ]
    found = []
    for changes in methods.values():
        made = material.model(changes)
        said = [material.classifier(*made, some).calibration for some in rows]
        found.append([(one.accuracy, one.log_loss[1]) for one in said])
    return np.array(found)


@dataclass(frozen=True)
class Judged:
    """Answers to clips over all draws; of those of other classes the label is -1."""

    labels: np.ndarray
    sources: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    refused: np.ndarray
    scores: np.ndarray  # that decide what is refused
    area: np.ndarray  # under the ROC curve, of each draw: score of known clips above that of others

    def rate(self, right: np.ndarray, some: np.ndarray) -> str:
        """A share of some clips, in percent, with its 95 % interval over redrawn sources."""
        _, source = np.unique(self.sources[some], return_inverse=True)
        low, high = class_bootstrap(np.bincount(source, weights=right[some]), np.bincount(source))
        return f"{100 * right[some].mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"


def judge(material: Material, made: Made, draws: Sequence[Sequence[int]]) -> Judged:
    """Labels all clips of sources that give no example."""
    parts = defaultdict(list)
    for rows in draws:
        classifier = material.classifier(*made, rows)
        used = {material.clips[row].source for row in rows}
        rest = [row for row, clip in enumerate(material.clips) if clip.source not in used]
        answered = [
            classifier.answers(material.features(made[0], rest[first : first + 32]))
            for first in range(0, len(rest), 32)
        ]
        whole = Answers(*(np.concatenate(values) for values in zip(*answered, strict=True)))
        cls_of = [material.clips[row].cls for row in rest]
        labels = np.array([classifier.classes.index(cls) if cls in classifier.classes else -1 for cls in cls_of])
        score = scores(whole.logits, classifier.temperature)[classifier.rejection.score]
        parts["area"].append([roc_area(score[labels >= 0], score[labels < 0])])
        values = (labels, np.array([material.clips[row].source for row in rest]), whole.logits, whole.probabilities)
        for name, value in zip(("labels", "sources", "logits", "probabilities"), values, strict=True):
            parts[name].append(value)
        parts["refused"].append(whole.refused)
        parts["scores"].append(score)
    return Judged(**{name: np.concatenate(values) for name, values in parts.items()})


def montages(material: Material, made: Made, draws: Sequence[Sequence[int]], method: str) -> str:
    """What is found in videos of clips of sources that give no example."""
    total = 0
    for number, rows in enumerate(draws):
        classifier = material.classifier(*made, rows)
        used = {material.clips[row].source for row in rows}
        rest = {c.clip: c for c in material.clips if c.source not in used and c.cls in classifier.classes}
        for which in range(MONTAGES):
            chosen: list[Example] = []
            for name in in_order(rest, "montage", number, which):
                if len(chosen) < CUTS and (not chosen or chosen[-1].cls != rest[name].cls):
                    chosen.append(rest[name])
            total = total + found_in_montage(classifier, chosen)
    actions, met, best, segments, hits = total
    numbers = {"actions": actions, "met": 100 * met / actions, "best": best / actions, "segments": segments}
    made_of = {"videos": len(draws) * MONTAGES, "cuts": CUTS, "method": method, "way": WAY}
    how = {"window": WINDOW, "stride": STRIDE, "overlap": OVERLAP}
    return MONTAGE.format(**numbers, **made_of, **how, hits=100 * hits / max(1, segments))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def choices(found: np.ndarray, names: Iterable[str]) -> list[list[str]]:
    """Rows of what was held out: accuracy, its difference from the first method over the draws, log loss."""
    rows = []
    for name, one in zip(names, found, strict=True):
        less = 100 * (one[:, 0] - found[0, :, 0])
        half = Z_95 * less.std(ddof=1) / np.sqrt(len(less))
        gap = f"{less.mean():+.1f} ± {half:.1f}" if half else ""
        rows.append([name, f"{100 * one[:, 0].mean():.1f}", gap, f"{one[:, 1].mean():.2f}"])
    return rows


def record(name: str, one: Judged) -> list[str]:
    """A row of what a method gets right."""
    known = one.labels >= 0
    labels, right = one.labels[known], one.logits.argmax(axis=1) == one.labels
    plain, fitted = softmax(one.logits[known]), one.probabilities[known]
    return [
        name,
        one.rate(right, known),
        f"{log_loss(plain, labels):.2f}, {log_loss(fitted, labels):.2f}",
        f"{100 * calibration_error(plain, labels):.0f}, {100 * calibration_error(fitted, labels):.0f}",
        one.rate(one.refused, known),
        one.rate(one.refused, ~known),
        f"{one.area.mean():.2f}",
    ]


def main(videos: Path, out: Path, runs: Path) -> None:
    """Measures, and writes the tables."""
    split = load_split("jhmdb")
    train, unseen = split.classes("train"), sorted([*split.classes("val"), *split.classes("test")])
    first, *others = (read(videos, runs, name) for name in BACKBONES)
    method, best = next(iter(METHODS.items()))
    text = [CHOICE.format(draws=CHOICE_DRAWS, way=WAY, classes=len(train))]
    for shot in SHOTS:
        found = choice(first, train, METHODS, shot)
        text.append(table((f"{shot} examples of each class", *HELD_OUT), choices(found, METHODS)))
    found = np.concatenate([found[:1], *(choice(other, train, {method: best}, shot) for other in others)])
    text.append(table((f"backbone, {method}, {shot} examples", *HELD_OUT), choices(found, BACKBONES)))
    draws = [
        draw(first.clips, [cls for cls in unseen if cls != left_out], shot, "record", number)
        for number, left_out in enumerate(unseen)
    ]
    judged = {name: judge(first, first.model(changes), draws) for name, changes in METHODS.items()}
    judged |= {f"{method}, {other.backbone}": judge(other, other.model(best), draws) for other in others}
    some = judged[method]
    counts = {
        f"{what}_{kind}": f"{count:,}"
        for what, inside in (("known", some.labels >= 0), ("other", some.labels < 0))
        for kind, count in (("answers", inside.sum()), ("sources", len(set(some.sources[inside]))))
    }
    text.append(RECORD.format(draws=len(draws), classes=", ".join(unseen), shot=shot, way=WAY, reject=REJECT, **counts))
    text.append(table(("method", *RECORDED), [record(name, one) for name, one in judged.items()]))
    text.append(montages(first, first.model(best, pretrained=True), draws, method))
    write_text(out, "\n".join(text))
    console.say(f"written: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path("runs") / ".classify")
