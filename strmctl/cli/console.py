"""Output for people: results on stdout, messages and progress on stderr. The one file that imports rich."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from strmctl.cli import streams
from strmctl.errors import OutputError, StrmctlError, in_one_line
from strmctl.progress import Progress

PLAIN_LINE_SECONDS = 10.0


def say(message: str) -> None:
    """A message for a person, on stderr."""
    print(message, file=sys.stderr, flush=True)


def print_json(document: Any) -> None:
    """The result as one JSON document, on stdout."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    print(text if streams.takes(text) else json.dumps(document, indent=2), flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; the first column is left-aligned, all others right; no colours unless it is a terminal."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120)
    if title:
        console.print(title, style="bold", markup=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*[escape(streams.as_shown(str(cell))) for cell in row])
    console.print(table)


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
        problem = f"the picture {path} was not drawn: {in_one_line(error)}"
        if not asked_for:
            say(f"warning: {problem}")
        elif isinstance(error, StrmctlError | OSError):
            raise
        else:
            raise OutputError(problem, "`strmctl --traceback …` shows where") from error


@contextlib.contextmanager
def progress(description: str, unit: str) -> Iterator[Progress]:
    """Yields a callable `report(done, total, note)` that shows rate and time left: as a bar, or in a pipe as lines.

    The rate counts from the first report, so that work done before a resume does not inflate it.
    """
    if sys.stderr.isatty():
        with _bar(description, unit) as report:
            yield report
    else:
        yield _lines(description, unit)


@contextlib.contextmanager
def _bar(description: str, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}  {task.fields[note]}"),
    )
    pace = _Pace(unit)
    bar = Bar(*columns, console=Console(file=sys.stderr))
    task = bar.add_task(description, total=None, pace="", note="")

    def report(done: int, total: int, note: str = "") -> None:
        bar.start()  # only now, so that of several bars one is shown at a time
        bar.update(task, completed=done, total=total, note=note, pace=pace.text(done, total))
        if done == total:
            bar.stop()

    try:
        yield report
    finally:
        bar.stop()


def _lines(description: str, unit: str) -> Progress:
    pace = _Pace(unit)
    last = [time.monotonic()]

    def report(done: int, total: int, note: str = "") -> None:
        text = pace.text(done, total)
        now = time.monotonic()
        if done == total or now - last[0] >= PLAIN_LINE_SECONDS:
            last[0] = now
            say("  ".join(part for part in (f"{description} {done}/{total}", text, note) if part))

    return report


class _Pace:
    """Rate and time left since the first report."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.first: tuple[float, int] | None = None
        self.last = 0

    def text(self, done: int, total: int) -> str:
        now = time.monotonic()
        if self.first is None or done < self.last:  # a new stage of the work counts anew
            self.first = (now, done)
        self.last = done
        since, already = self.first
        if done <= already or now <= since:
            return ""
        rate = (done - already) / (now - since)
        number = f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"
        return f"{number} {self.unit}/s, {duration((total - done) / rate)} left"


def duration(seconds: float) -> str:
    """Seconds as people write them: `42 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
