"""Output for people: results on stdout, messages and progress on stderr. The one file that imports rich."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from strmctl.cli import streams
from strmctl.errors import Note, OutputError, StrmctlError, not_drawn
from strmctl.paths import json_text
from strmctl.progress import Progress
from strmctl.report.terminal.layout import GAP, blocks, fitted, in_lines

PLAIN_LINE_SECONDS = 10.0
WHOLE_LINES = 100_000  # places in a line that no table fills


def say(message: str) -> None:
    """A message for a person, on stderr."""
    print(message, file=sys.stderr, flush=True)


def say_notes() -> None:
    """Says each `Note` of the library as a message; what other packages warn of is shown as Python does."""
    show = warnings.showwarning

    def shown(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, Note):
            say(f"note: {message}")
        else:
            show(message, category, *where, **more)

    warnings.showwarning = shown


def print_json(document: Any) -> None:
    """The result as one JSON document, on stdout."""
    print(json_text(document, streams.encoding()), flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, words: bool = False) -> None:
    """A table on stdout, the first column left-aligned, and where all cells are `words` the others too, else right.

    On a terminal it is fitted between its edges; elsewhere lines stay whole, and there are no colours.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    on_terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, highlight=False, width=None if on_terminal else WHOLE_LINES)
    width = console.width - 2  # a blank stands in front and behind
    if title:
        console.print(in_lines(title, width, cell_len), style="bold", markup=False, soft_wrap=True)
    cells = [[streams.as_shown(str(cell)) for cell in row] for row in rows]
    if not (lines := fitted(columns, cells, width, cell_len)):
        console.print("\n".join(["", *blocks(columns, cells, width, cell_len), ""]), markup=False, soft_wrap=True)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for position, column in enumerate(lines[0]):
        table.add_column(Text(column), justify="left" if words or position == 0 else "right", no_wrap=True)
    for row in lines[1:]:
        table.add_row(*map(Text, row))
    console.print(table)


def print_text(text: str) -> None:
    """A caption on stdout; on a terminal, lines end between words."""
    print(in_lines(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text, flush=True)


@contextlib.contextmanager
def picture(path: Path, *, asked_for: bool = False) -> Iterator[None]:
    """Draws and writes a picture: one that fails beside a number is a warning, for it must not cost the number.

    Args:
        path: the file, or the folder of several.
        asked_for: whether the picture is what the command is for.

    Raises:
        OutputError: the picture was asked for and fails; errors of the system pass through.
    """
    try:
        yield
    except Exception as error:
        problem = not_drawn(path, error)
        if not asked_for:
            say(f"warning: {problem}")
        elif isinstance(error, StrmctlError | OSError):
            raise
        else:
            raise OutputError(problem, "`strmctl --traceback …` shows where") from error


@contextlib.contextmanager
def progress(description: str, unit: str, *, within: Progress | None = None) -> Iterator[Progress]:
    """Yields a callable `report(done, total, note)` that shows rate and time left: as a bar, or in a pipe as lines.

    The rate counts from the first report, so that work done before a resume does not inflate it.

    Args:
        description: words in front.
        unit: what is counted.
        within: progress of other work that this work interrupts, whose clock stands still meanwhile. Then the bar is
            shown below that of the other work until it is full, and in a pipe short work has no line.
    """
    report = (_Bar if sys.stderr.isatty() else _Lines)(description, unit, within)
    try:
        yield report
    finally:
        report.end()


class _Bar:
    """Progress on a terminal."""

    def __init__(self, description: str, unit: str, within: _Bar | None) -> None:
        self.pace, self.within, self.stops = _Pace(unit), within, within is None
        if within is None:
            self.bar = _empty_bar()
        else:
            self.bar, within.stops = within.bar, False
        self.task = self.bar.add_task(description, total=None, pace="", note="", visible=within is None)

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Shows how far the work is."""
        if self.within is not None:
            self.within.pace.leave_out()
        self.bar.start()  # only now, so that of several bars one is shown at a time
        shown = {"visible": self.within is None or done < total, "pace": self.pace.text(done, total)}
        self.bar.update(self.task, completed=done, total=total, note=note, **shown)
        if done == total and self.stops:
            self.end()

    def end(self) -> None:
        """Leaves the bar as it is."""
        if self.within is None:
            self.bar.stop()


def _empty_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}  {task.fields[note]}"),
    )
    return Bar(*columns, console=Console(file=sys.stderr))


class _Lines:
    """Progress in a pipe: now and then a line."""

    def __init__(self, description: str, unit: str, within: _Lines | None) -> None:
        self.description, self.pace, self.within = description, _Pace(unit), within
        self.last = time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Prints how far the work is."""
        text, now = self.pace.text(done, total), time.monotonic()
        if self.within is not None:
            self.within.pace.leave_out()
            self.last = self.last if done else now  # the work begins anew
        if (done == total and self.within is None) or now - self.last >= PLAIN_LINE_SECONDS:
            self.last = now
            say("  ".join(part for part in (f"{self.description} {done}/{total}", text, note) if part))

    def end(self) -> None:
        """Has nothing to do."""


class _Pace:
    """Rate and time left since the first report."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.first: tuple[float, int] | None = None
        self.last = (0.0, 0)  # time and work of the last report

    def text(self, done: int, total: int) -> str:
        now = time.monotonic()
        if self.first is None or done < self.last[1]:  # a new stage of the work counts anew
            self.first = (now, done)
        self.last = (now, done)
        since, already = self.first
        if done <= already or now <= since:
            return ""
        rate = (done - already) / (now - since)
        number = f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"
        return f"{number} {self.unit}/s, {duration((total - done) / rate)} left"

    def leave_out(self) -> None:
        """The time since the last report was not spent on this work."""
        now, (then, done) = time.monotonic(), self.last
        if self.first is not None:
            self.first, self.last = (self.first[0] + now - then, self.first[1]), (now, done)


def duration(seconds: float) -> str:
    """Seconds as people write them: `42 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
