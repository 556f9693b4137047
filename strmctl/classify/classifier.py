"""A classifier made of examples: which of the user's own classes does a video show?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from strmctl.classify import RECIPE, REJECT, WINDOW
from strmctl.classify.calibration import Calibration, calibrate, softmax
from strmctl.classify.chosen_model import chosen_model
from strmctl.classify.examples import Example, Examples, copies, find_examples, find_videos
from strmctl.classify.features import LENGTH, VideoReader, embed_videos, example_features
from strmctl.classify.find import find_segments
from strmctl.classify.held_out import by_class, hold_out, take
from strmctl.classify.label import Answers, Label, notes_of
from strmctl.classify.rejection import Rejection, choose
from strmctl.classify.timeline import Timeline
from strmctl.errors import DataError
from strmctl.evaluation.embed import evaluating
from strmctl.model.episode import told
from strmctl.progress import Progress, silent
from strmctl.runs.folder import EXAMPLES

if TYPE_CHECKING:
    from strmctl.classify.pictures import Pictures
    from strmctl.recipe import Recipe

OFF = "rejection is switched off"


class Classifier:
    """Labels videos by examples of classes; `from_examples` makes it.

    Attributes:
        folder: folder of the examples.
        examples: the examples that can be read.
        classes: names of the classes, sorted.
        unreadable: example -> why it cannot be read.
        weights_sha256: hash of the model's tensors.
        run: name of the trained run; None where nothing was trained.
        calibration: what the held-out examples say; None where none can be held out.
        temperature: what logits are divided by; 1 without a calibration.
        rejection: when an answer is refused; else the reason why none is.

    Example:
        >>> classifier = strmctl.Classifier.from_examples("examples", run="runs/strm")  # without run: no training
        >>> classifier.classes
        ['hop', 'run', 'sit']
        >>> label = classifier.predict("clip.mp4")
        >>> label.best in classifier.classes, round(sum(label.probabilities.values()), 6)
        (True, 1.0)
        >>> timeline = classifier.timeline("clip.mp4", window=0.5, stride=0.25)  # seconds; see its segments
        >>> round(timeline.duration, 1), len(timeline.windows.starts)
        (0.8, 3)
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        examples: Examples,
        features: Mapping[str, Tensor],
        unreadable: Mapping[str, str],
        *,
        weights_sha256: str,
        reject: float | None,
        run: str | None = None,
    ) -> None:
        self.model, self.recipe, self.unreadable = model, recipe, dict(unreadable)
        self.weights_sha256, self.run = weights_sha256, run
        self.classes = examples.classes
        readable = examples.readable(unreadable)
        self.examples: list[Example] = [examples.clips[row] for row in readable]
        self._all, self.folder = examples, examples.folder
        self._features = take(
            {name: value for name, value in features.items() if name != LENGTH}, torch.tensor(readable)
        )
        labels = [self.classes.index(example.cls) for example in self.examples]
        members = [[row for row, label in enumerate(labels) if label == cls] for cls in range(len(self.classes))]
        self._support = by_class(members)
        with evaluating(model):
            sources = [example.source for example in self.examples]
            held_out = hold_out(model, self._features, labels, sources, self.classes)
        self.calibration: Calibration | None = calibrate(held_out)
        self.temperature = 1.0 if self.calibration is None else self.calibration.temperature
        self.rejection: Rejection | str = OFF if reject is None else choose(held_out, self.temperature, reject)

    @classmethod
    def from_examples(
        cls,
        folder: str | os.PathLike[str],
        *,
        run: str | os.PathLike[str] | None = None,
        recipe: str | os.PathLike[str] = RECIPE,
        group_by: str | None = None,
        reject: float | None = REJECT,
        runs: str | os.PathLike[str] = "runs",
        device: str = "auto",
        progress: Progress = silent,
        announce: Callable[[str], None] = lambda message: None,
    ) -> Classifier:
        """Makes a classifier of a folder of class folders; without a run, nothing is trained.

        Args:
            folder: folder of class folders with example videos, any number in each.
            run: folder of a trained run of any method.
            recipe: name or path of the recipe of a model that is used with its initial weights, where no run is given.
            group_by: regular expression that finds the source video in an example's path; see `find_examples`.
            reject: largest share of the true examples that may be refused as none of the classes; None refuses nothing.
            runs: folder below which features of the examples are kept.
            device: name of the device, see `choose_device`.
            progress: progress in examples.
            announce: callable that receives what a user should know.

        Raises:
            DataError: examples are missing, contradict each other, or cannot be read.
            UsageError: `group_by` or `reject` makes no sense, or a package that the model needs is missing.
            RecipeError: there is no such recipe, or it is invalid.
            CheckpointError: the run cannot be used.
        """
        examples = find_examples(Path(folder), group_by)
        for note in examples.notes:
            announce(f"note: {note}")
        chosen = chosen_model(run, recipe, device=device, announce=announce)
        home, weights = Path(runs) / EXAMPLES, chosen.weights_sha256
        model, settings = chosen.model, chosen.recipe
        features, unreadable = example_features(
            model, settings, examples, home, weights_sha256=weights, progress=progress, announce=announce
        )
        for clip, reason in unreadable.items():
            announce(f"note: not an example: {clip} {reason}")
        return cls(
            model, settings, examples, features, unreadable, weights_sha256=weights, reject=reject, run=chosen.run
        )

    def predict(self, video: str | os.PathLike[str]) -> Label:
        """The label of one video.

        Raises:
            DataError: the video cannot be read.
        """
        (label,) = self._labels([Path(video)])
        if label.reason:
            raise DataError(f"the video {video} {label.reason}")
        return label

    def predict_many(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        progress: Progress = silent,
        announce: Callable[[str], None] = lambda message: None,
        pictures: Pictures | None = None,
    ) -> list[Label]:
        """Labels of videos, and of all videos below folders; one that cannot be read has a `reason`.

        Args:
            paths: files and folders, or a single one.
            progress: progress in videos.
            announce: callable that receives what a user should know.
            pictures: pictures for a page, which receive what the model sees.

        Raises:
            DataError: a folder holds no video.
        """
        several = [paths] if isinstance(paths, str | os.PathLike) else paths
        videos, notes = find_videos(map(Path, several))
        for note in notes:
            announce(f"note: {note}")
        return list(self.predict_each(videos, progress=progress, pictures=pictures))

    def predict_each(
        self, videos: Sequence[Path], *, progress: Progress = silent, pictures: Pictures | None = None
    ) -> Iterator[Label]:
        """Labels of video files, as soon as there are any; arguments as for `predict_many`."""
        progress(0, len(videos), "")
        for done, label in enumerate(self._labels(videos, pictures), 1):
            yield label
            progress(done, len(videos), "")

    def timeline(
        self,
        video: str | os.PathLike[str],
        *,
        window: float = WINDOW,
        stride: float | None = None,
        progress: Progress = silent,
        pictures: Pictures | None = None,
    ) -> Timeline:
        """What happens when in a long video, of which windows are labelled; one that cannot be read has a `reason`.

        Args:
            video: the file.
            window: length of a window, seconds; as long as the examples is best.
            stride: from the start of a window to that of the next, seconds; None: about a quarter of
                a window; see `shared_stride`.
            progress: progress in seconds of video.
            pictures: pictures for a page, which receive some of what the model sees.

        Raises:
            UsageError: window or stride makes no sense.
        """
        seen = None if pictures is None else pictures.film(str(video), self.recipe.input).keep
        return find_segments(self, Path(video), window, stride, progress, seen=seen)

    def _labels(self, videos: Sequence[Path], pictures: Pictures | None = None) -> Iterator[Label]:
        same = copies(videos, self._all)
        reader = VideoReader(self.recipe, Path(), seen=None if pictures is None else pictures.keep)
        following = iter(videos)
        for part in embed_videos(self.model, reader, [str(video) for video in videos]):
            lengths = part.pop(LENGTH).tolist()
            answers = self.answers(part)
            for row, length in enumerate(lengths):
                video = next(following)
                if not length:
                    yield Label(video, reason=reader.reasons[str(video)])
                    continue
                shares = {
                    self.classes[column]: float(answers.probabilities[row, column])
                    for column in np.argsort(-answers.logits[row], kind="stable")
                }
                notes = (*notes_of(length, self.recipe.input.frames, same.get(video)), *reader.remarks[str(video)])
                yield Label(video, shares, bool(answers.refused[row]), answers.nearest[row], notes=notes)

    @torch.inference_mode()
    def answers(self, features: Mapping[str, Tensor]) -> Answers:
        """Answers to Q videos or windows, by their features `(Q, …)`.

        The nearest example is the best class of those that each consist of one example, by the method's own logits.
        """
        queries = {name: value[None] for name, value in features.items()}  # (1, Q, …)
        rows, mask = self._support
        device = next(iter(queries.values())).device
        single = torch.arange(len(self.examples))[None, :, None]  # (1, N, 1)
        with evaluating(self.model):
            classes = told(self.model, take(self._features, rows[None]), [self.classes])
            examples = told(self.model, take(self._features, single), [[example.cls for example in self.examples]])
            total = self.model.match(classes, queries, mask[None].to(device)).total
            alone = self.model.match(examples, queries).total
        logits = total[0].double().cpu().numpy()
        refused = np.zeros(len(logits), bool)
        if isinstance(self.rejection, Rejection):
            refused = self.rejection.refuses(logits, self.temperature)
        nearest = [self.examples[row].clip for row in alone[0].argmax(dim=1).tolist()]
        return Answers(logits, softmax(logits / self.temperature), refused, nearest)
