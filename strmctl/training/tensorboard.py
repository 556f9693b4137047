"""A training for TensorBoard: `train --log tensorboard`. Only this file knows the package."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from strmctl.errors import UsageError, in_one_line
from strmctl.runs.train_log import term_column
from strmctl.training.measure import peak_bytes

FOLDER = "tensorboard"  # of a run
EPISODE = {"loss": "training/loss", "accuracy": "training/accuracy", "learning_rate": "training/learning rate"}
VALIDATION = ("validation/accuracy", "validation/95 % from", "validation/95 % to")


def check_installed() -> None:
    """Makes sure that events can be written.

    Raises:
        UsageError: the package is missing; the message names the extra.
    """
    try:
        import tensorboard  # noqa: F401 - without it, torch's own module cannot be imported
    except ImportError as error:
        raise UsageError(
            "--log tensorboard needs the package tensorboard, which is not installed here",
            "install it with `pip install 'strmctl[tensorboard]'`",
        ) from error


class EventLog:
    """Writes what a run does to `tensorboard/` in its folder; a failure is said once, and training goes on.

    Args:
        folder: folder of the run.
        done: number of training episodes so far; events of later ones, which a kill has cut off, no longer count.
        device: device of the model, whose memory is noted.
        announce: callable that receives a warning.
    """

    def __init__(self, folder: Path, done: int, device: torch.device, announce: Callable[[str], None]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._device, self._announce = device, announce
        self._done, self._at = done, time.monotonic()
        self._writer = SummaryWriter(str(folder / FOLDER), purge_step=done + 1 if done else None)
        self._writer.add_custom_scalars({"validation": {"accuracy": ["Margin", list(VALIDATION)]}})

    def add(self, lines: Sequence[Mapping[str, float]], *, steps: bool, validates: bool, last: bool) -> None:
        """Adds lines as those of `train.csv`; with a step of the optimizer, speed and memory too."""
        if self._writer is None:
            return
        try:
            for line in lines:
                self._add_line(line)
            if steps:
                self._add_measured(int(lines[-1]["episode"]))
        except Exception as error:
            self._announce(f"warning: no more events for TensorBoard are written: {in_one_line(error)}")
            self._writer = None

    def _add_line(self, line: Mapping[str, float]) -> None:
        numbers = {tag: line[name] for name, tag in EPISODE.items()}
        numbers |= {f"training/{name}": number for name, number in line.items() if name.startswith(term_column(""))}
        if (accuracy := line.get("validation_accuracy")) is not None:
            half = line["validation_ci95"]
            numbers |= dict(zip(VALIDATION, (accuracy, accuracy - half, accuracy + half), strict=True))
        self._add_scalars(int(line["episode"]), numbers)

    def _add_measured(self, episode: int) -> None:
        now = time.monotonic()
        rate = (episode - self._done) / max(now - self._at, 1e-9)
        self._done, self._at = episode, now
        memory = peak_bytes(self._device) / 2**30
        self._add_scalars(episode, {"speed/episodes per second": rate, "memory/peak, GiB": memory})

    def _add_scalars(self, episode: int, numbers: Mapping[str, float]) -> None:
        for tag, number in numbers.items():
            self._writer.add_scalar(tag, number, episode)

    def close(self) -> None:
        """Writes what is left."""
        if self._writer is not None:
            self._writer.close()
