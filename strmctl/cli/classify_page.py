"""`classify --html`: pictures are kept while videos are labelled, and then the page is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from strmctl.cli import console

if TYPE_CHECKING:
    from strmctl.classify.classifier import Classifier
    from strmctl.classify.label import Label
    from strmctl.classify.timeline import Timeline


class Page:
    """A page to write.

    Args:
        path: file of the page.
        top: number of classes to show of each video, where that is more than a page shows anyway.

    Attributes:
        pictures: what receives pictures while videos are labelled.
    """

    def __init__(self, path: Path, top: int) -> None:
        from strmctl.classify.pictures import Pictures

        self.path, self.top, self.pictures = path, top, Pictures()

    def write(self, classifier: Classifier, labels: Sequence[Label] = (), timelines: Sequence[Timeline] = ()) -> None:
        """Writes the page; examples are decoded for it, since what is kept of them is features."""
        from strmctl.classify.page import TOP, write_page

        top = max(self.top, TOP)
        with console.progress("page", "pictures") as decoding:
            write_page(self.path, classifier, labels, timelines, pictures=self.pictures, top=top, progress=decoding)
