"""What `classify` prints and writes: labels, and what the examples say of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strmctl.classify.sentences import NONE_OF_THESE, sentences
from strmctl.cli import console
from strmctl.model.backbones.table import backbone_entry
from strmctl.paths import write_csv
from strmctl.provenance import provenance

if TYPE_CHECKING:
    from strmctl.classify.classifier import Classifier
    from strmctl.classify.label import Label

UNREADABLE = "–"
COLUMNS = ("video", "answer", "p, %", "next, %", "margin, points", "nearest example, remarks")


def show(classifier: Classifier, labels: Sequence[Label], top: int) -> None:
    """Prints the tables for a person."""
    console.print_table("", COLUMNS, list(_rows(labels, top)))
    show_examples(classifier)


def show_examples(classifier: Classifier) -> None:
    """Prints what the examples say of each other."""
    for sentence in sentences(classifier):
        console.print_text(sentence)
    if classifier.calibration is not None:
        counts = classifier.calibration.confusion.tolist()
        rows = [[cls, *row] for cls, row in zip(classifier.classes, counts, strict=True)]
        console.print_table("Held-out examples, by class (rows) and answer", ["class", *classifier.classes], rows)


def _rows(labels: Sequence[Label], top: int) -> Iterator[list[str]]:
    for label in labels:
        if label.reason:
            yield [str(label.video), UNREADABLE, "", "", "", label.reason]
            continue
        ranked = list(label.probabilities.items())
        answer = f"{NONE_OF_THESE} ({label.best})" if label.refused else label.best
        following = ", ".join(f"{cls} {100 * share:.0f}" for cls, share in ranked[1:top])
        margin = f"{100 * label.margin:.0f}"
        yield [
            str(label.video),
            answer,
            f"{100 * label.probability:.0f}",
            following,
            margin,
            "; ".join([label.nearest, *label.notes]),
        ]


def document(classifier: Classifier, labels: Sequence[Label]) -> dict[str, Any]:
    """All of it as one JSON document; shares and probabilities are fractions."""
    return {"labels": [_label(label) for label in labels]} | about(classifier)


def about(classifier: Classifier) -> dict[str, Any]:
    """The part of a JSON document that says what answers rest on."""
    found, rejection = classifier.calibration, classifier.rejection
    calibration = None
    if found is not None:
        calibration = asdict(found) | {"confusion": found.confusion.tolist(), "classes": classifier.classes}
        for name in ("log_loss", "calibration_error"):
            calibration[name] = dict(zip(("before", "after"), calibration[name], strict=True))
    return {
        "classes": {cls: [e.clip for e in classifier.examples if e.cls == cls] for cls in classifier.classes},
        "unreadable_examples": classifier.unreadable,
        "calibration": calibration,
        "rejection": {"off": rejection} if isinstance(rejection, str) else asdict(rejection),
        "provenance": provenance(
            libraries=backbone_entry(classifier.recipe.backbone.name).libraries,
            run=classifier.run,
            weights_sha256=classifier.weights_sha256,
            examples_sha256={example.clip: example.sha256 for example in classifier.examples},
            recipe=classifier.recipe.model_dump(),
        ),
    }


def _label(label: Label) -> dict[str, Any]:
    return {
        "video": str(label.video),
        "answer": label.answer,
        "best": label.best,
        "refused": label.refused,
        "probability": label.probability if label.best else None,
        "second": label.second,
        "margin": label.margin if label.best else None,
        "nearest": label.nearest or None,
        "probabilities": label.probabilities,
        "reason": label.reason or None,
        "notes": list(label.notes),
    }


def write_table(path: Path, classifier: Classifier, labels: Sequence[Label]) -> None:
    """Writes one row per video, with the probability of each class."""
    keys = ("video", "answer", "best", "refused", "probability", "second", "margin", "nearest", "reason")
    rows = []
    for label in labels:
        values = _label(label)
        shares = [label.probabilities.get(cls) for cls in classifier.classes]
        rows.append([*(values[key] for key in keys), "; ".join(label.notes), *shares])
    write_csv(path, [*keys, "notes", *(f"p: {cls}" for cls in classifier.classes)], rows)
