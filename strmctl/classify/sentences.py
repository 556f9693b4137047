"""What the examples say of each other, in sentences: how often answers are right, and when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strmctl.classify.calibration import Calibration
    from strmctl.classify.classifier import Classifier
    from strmctl.classify.rejection import Rejection

NONE_OF_THESE = "none of these"
UNCALIBRATED = (
    "No class has examples of two sources, so none can be held out: nobody knows how often the answers are right, and "
    "the probabilities are uncalibrated."
)


def sentences(classifier: Classifier) -> Iterator[str]:
    """What the held-out examples say of the answers, and when an answer is refused."""
    found = classifier.calibration
    yield UNCALIBRATED if found is None else _of_calibration(found)
    if isinstance(classifier.rejection, str):
        yield f"Every video gets a class, since {classifier.rejection}."
    else:
        yield _of_rejection(classifier.rejection)


def _of_calibration(found: Calibration) -> str:
    low, high = found.interval
    (loss, after), (error, error_after) = found.log_loss, found.calibration_error
    untested = f"; {found.untested} more cannot be, for their class has no other source" if found.untested else ""
    alike = ", as if clips of one source had nothing in common" if found.sources < found.n else ""
    return (
        f"Held out in turn, {100 * found.accuracy:.0f} % of {found.n} examples from {found.sources} sources are right "
        f"(95 % interval {100 * low:.0f} to {100 * high:.0f}{alike}){untested}. Fitted on them, temperature "
        f"{found.temperature:.3g} takes the log loss from {loss:.2f} to {after:.2f} and the expected calibration error "
        f"from {100 * error:.0f} to {100 * error_after:.0f} points."
    )


def _of_rejection(found: Rejection) -> str:
    names = {"probability": "the largest probability", "logit": "the largest logit"}
    ways = ", ".join(f"{names[score]} {area:.2f}" for score, area in found.separation.items())
    return (
        f"None of these: {names[found.score]} is below {found.threshold:.3g}, which holds for "
        f"{100 * found.known_refused:.0f} % of {found.known} held-out examples and for "
        f"{100 * found.unknown_refused:.0f} % of {found.unknown} whose class was left out. Separation of the two (area "
        f"under the ROC curve): {ways}."
    )
