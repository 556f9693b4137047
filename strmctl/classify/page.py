"""The page of `classify`: labels and timelines beside the frames that the model saw, and the nearest examples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from strmctl.classify.classifier import Classifier
from strmctl.classify.features import VideoReader
from strmctl.classify.label import Label
from strmctl.classify.pictures import MOST, Pictures
from strmctl.classify.sentences import NONE_OF_THESE, sentences
from strmctl.classify.timeline import Timeline
from strmctl.evaluation.embed import CLIPS_PER_BATCH
from strmctl.model.backbones.table import backbone_entry
from strmctl.model.methods.table import METHODS
from strmctl.paths import write_text
from strmctl.progress import Progress, silent
from strmctl.provenance import provenance
from strmctl.report.pages.labels_page import Answer, Labels, LongVideo, Stretch, labels_page
from strmctl.threads import loader_threads
from strmctl.videos.extract import one_thread

TOP = 5  # classes whose probabilities are drawn for each video
EXAMPLES = 5  # examples of each class that have a picture, beside those that are nearest to a video


def write_page(
    path: str | os.PathLike[str],
    classifier: Classifier,
    labels: Sequence[Label],
    timelines: Sequence[Timeline] = (),
    *,
    pictures: Pictures | None = None,
    top: int = TOP,
    progress: Progress = silent,
) -> None:
    """Writes one page of HTML that needs no other file: the videos with frames, the examples, what they say.

    Args:
        path: file to write, at once.
        classifier: classifier that labelled the videos.
        labels: labels of videos; the first 300 that can be read have pictures.
        timelines: what happens in long videos.
        pictures: pictures that were kept while the videos were labelled; other videos are decoded again, but no long
            ones.
        top: number of classes whose probabilities are drawn for each video.
        progress: progress in pictures.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> classifier = strmctl.Classifier.from_examples("examples", run="runs/strm")
        >>> strmctl.write_page("page.html", classifier, [classifier.predict("clip.mp4")])
        >>> "nearest example" in Path("page.html").read_text(encoding="utf-8").lower()
        True
    """
    kept = Pictures() if pictures is None else pictures
    readable = [str(label.video) for label in labels if not label.reason][:MOST]
    missing = [name for name in readable if name not in kept]
    shown = _examples(classifier, labels[:MOST], timelines)
    examples, total = Pictures(), len(missing) + len(shown)
    progress(0, total, "")
    for part in _decode(classifier, Path(), missing, kept):
        progress(part, total, "")
    for part in _decode(classifier, classifier.folder, shown, examples):
        progress(len(missing) + part, total, "")
    document = _document(classifier, labels, timelines, kept, examples=examples, top=top)
    write_text(Path(path), labels_page(document))


def _examples(classifier: Classifier, labels: Sequence[Label], timelines: Sequence[Timeline]) -> list[str]:
    """The examples that have a picture: those that are nearest to something, and the first of each class."""
    nearest = [label.nearest for label in labels]
    nearest += [segment.nearest for timeline in timelines for segment in timeline.segments]
    firsts = [clip for clips in _by_class(classifier).values() for clip in clips[:EXAMPLES]]
    return [*dict.fromkeys(name for name in [*nearest, *firsts] if name)]


def _by_class(classifier: Classifier) -> dict[str, list[str]]:
    return {cls: [own.clip for own in classifier.examples if own.cls == cls] for cls in classifier.classes}


def _decode(classifier: Classifier, folder: Path, clips: Sequence[str], pictures: Pictures) -> Iterable[int]:
    """Keeps pictures of clips and yields how many have been read; what cannot be read any more has none."""
    reader = VideoReader(classifier.recipe, folder, seen=pictures.keep)
    with one_thread(), ThreadPoolExecutor(loader_threads()) as pool:
        for first in range(0, len(clips), CLIPS_PER_BATCH):
            part = clips[first : first + CLIPS_PER_BATCH]
            reader.load_many(part, pool)
            yield first + len(part)


def _document(
    classifier: Classifier,
    labels: Sequence[Label],
    timelines: Sequence[Timeline],
    pictures: Pictures,
    *,
    examples: Pictures,
    top: int,
) -> Labels:
    recipe, confusion = classifier.recipe, classifier.calibration
    entry = backbone_entry(recipe.backbone.name)
    method = METHODS[recipe.method].shown(recipe.method)
    origin = f"run {classifier.run}" if classifier.run else f"recipe {recipe.name}, without training"
    return Labels(
        facts={
            "Examples": f"{len(classifier.examples)} in {classifier.folder}",
            "Classes": str(len(classifier.classes)),
            "Model": f"{origin}: {recipe.backbone.name}, method {method}",
            "Frames": f"{recipe.input.frames} per video",
        },
        sentences=list(sentences(classifier)),
        classes=_by_class(classifier),
        unreadable=classifier.unreadable,
        pictures=examples,
        answers=[_answer(label, pictures) for label in labels],
        timelines=[_long_video(timeline, pictures) for timeline in timelines],
        confusion=None if confusion is None else confusion.confusion.tolist(),
        top=top,
        provenance=provenance(libraries=entry.libraries, weights_sha256=classifier.weights_sha256),
    )


def _answer(label: Label, pictures: Pictures) -> Answer:
    return Answer(
        video=str(label.video),
        answer=NONE_OF_THESE if label.refused else label.best or "",
        shares=label.probabilities,
        refused=label.refused,
        nearest=label.nearest,
        picture=pictures.get(str(label.video)),
        notes=label.notes,
        reason=label.reason,
    )


def _long_video(timeline: Timeline, pictures: Pictures) -> LongVideo:
    film = pictures.films.get(str(timeline.video))
    stretches = []
    for found in timeline.segments:
        picture = film and film.between(found.start, found.end)
        stretches.append(Stretch(found.start, found.end, found.cls, found.probability, found.nearest, picture))
    return LongVideo(str(timeline.video), timeline.duration, stretches, timeline.notes, timeline.reason)
