"""`strmctl data`: whether a frame store can be trusted, and what its clips look like."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.cli import console
from strmctl.cli.group import Group
from strmctl.cli.options import FOLDER, STORE, data_option, json_option
from strmctl.errors import DataError, ExitCode, UsageError

if TYPE_CHECKING:
    from strmctl.frames.check.findings import CheckResult, ClassCount
    from strmctl.frames.store.manifest import ClipRow
    from strmctl.frames.store.store import FrameStore

NAMED = 5  # how many things of a kind are named before "and so on"
MANY_CLASSES = 40  # of more, only those with something to say are printed
FRAMES = 8  # of a clip on a contact sheet
PER_CLASS = 2  # clips on a contact sheet that does not say how many


@click.group(cls=Group, name="data", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check a frame store, and look at its clips.

    \b
    Examples:
      strmctl data check ucf101
      strmctl data show ucf101 --classes Archery,Diving
    """


@command.command()
@click.argument("name", required=False, type=STORE)
@click.option("--quick", is_flag=True, help="Open each clip only: no checksums, no decoding, no duplicates.")
@click.option("--all", "every", is_flag=True, help="Print all classes, however many.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one per CPU]")
@data_option
@json_option
def check(name: str | None, quick: bool, every: bool, workers: int | None, data_dir: Path, as_json: bool) -> int:
    """Check the frame store DATA/NAME; exit code 3 when something is wrong.

    Compares it with the published numbers of clips, its classes with those of the split, all frames with the checksums
    of the manifest, and clips with each other: train, val and test share no class and no clip, and no two clips show
    the same in 8 evenly spaced frames, which are decoded together with the first and the last. All other frames are
    read without decoding them: each must begin and end as a JPEG or PNG image of the clip's size. Source videos with
    clips in several subsets, short clips and files of no clip are reported as notes, not as problems. Nothing is
    written.

    --quick reads only the first and the last frame of each clip: it finds frames that are missing or cut off there, and
    no other damage. NAME may be left out when there is only one store.

    \b
    Examples:
      strmctl data check
      strmctl data check ucf101 --workers 8
      strmctl data check kinetics100 --quick --json
    """
    store = _open(data_dir, name)

    from strmctl.frames.check.check import check as check_store
    from strmctl.threads import available_cpus

    with console.progress(f"check {store.name}", "clips") as report:
        result = check_store(store, workers=workers or available_cpus(), quick=quick, progress=report)
    if as_json:
        console.print_json(result.to_json())
    else:
        _print_classes(result, every=every)
    _say_findings(result)
    return ExitCode.DATA if result.problems else ExitCode.DONE


@command.command()
@click.argument("name", required=False, type=STORE)
@click.argument("clips", metavar="[CLIP]...", nargs=-1)
@click.option(
    "--per-class", type=click.IntRange(min=1), help="Clips of each class.  [default: 2; without classes, a sheet full]"
)
@click.option("--classes", metavar="A,B", help="Of these classes only.")
@click.option("--subset", type=click.Choice(["train", "val", "test"]), help="Of this subset only.")
@click.option("--most", type=click.IntRange(1, 200), default=40, show_default=True, help="Clips on a sheet.")
@click.option("--out", type=FOLDER, help="PNG file; of several, numbers are added.  [default: NAME-sheet.png]")
@data_option
@json_option
def show(
    name: str | None, clips: tuple[str, ...], most: int, out: Path | None, data_dir: Path, as_json: bool, **choice: Any
) -> int:
    """Draw contact sheets of the frame store DATA/NAME: 8 evenly spaced frames of each clip, in the order of time.

    CLIP is the id of a clip, or the last part of it; failed ones are shown with their reason. Without CLIP, some clips
    of each class are drawn, the same whenever the command is given. Prints where the pictures are; exit code 3 when
    frames could not be read.

    \b
    Examples:
      strmctl data show ucf101
      strmctl data show ucf101 v_Archery_g01_c01 v_Diving_g02_c03 --out look.png
      strmctl data show ssv2 --subset test --per-class 1
    """
    given = [option for option, value in choice.items() if value]
    if clips and given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} chooses clips, which are named already",
            f"leave `--{given[0].replace('_', '-')}` out",
        )
    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(
            f"--out {out}: the picture is a PNG file", f"`--out {shlex.quote(str(out.with_suffix('.png')))}`"
        )
    store = _open(data_dir, name)

    from strmctl.frames.show import named_clips, some_clips

    if choice["per_class"] is None:
        choice["per_class"] = PER_CLASS if any(row.cls for row in store.rows) else most
    rows = named_clips(store, clips) if clips else some_clips(store, **choice)
    sheets = [rows[first : first + most] for first in range(0, len(rows), most)]
    out = out or Path(f"{store.name}-sheet.png")
    shown: list[dict[str, Any]] = []
    unreadable: list[str] = []
    for number, part in enumerate(sheets, 1):
        title, path = store.display_name, out
        if len(sheets) > 1:
            title += f", sheet {number} of {len(sheets)}"
            path = out.with_name(f"{out.stem}-{number:0{max(2, len(str(len(sheets))))}d}{out.suffix}")
        if path.exists():
            console.say(f"note: {path} is replaced")
        with console.picture(path, asked_for=True):
            from strmctl.report.drawing import save_picture
            from strmctl.report.pictures.contact_sheet import draw_sheet

            save_picture(draw_sheet([_sheet_row(store, row, unreadable) for row in part], title=title), path)
        shown.append({"picture": str(path), "clips": [row.clip for row in part]})
        if not as_json:
            click.echo(path)
    for reason in unreadable:
        console.say(f"error: {reason}")
    if as_json:
        console.print_json({"name": store.name, "sheets": shown, "unreadable": unreadable})
    elif unreadable:
        console.say(f"  `strmctl data check {store.name}` says what is damaged and how to mend it")
    return ExitCode.DATA if unreadable else ExitCode.DONE


def _open(data_dir: Path, name: str | None) -> FrameStore:
    """The store of that name, or the only one.

    Raises:
        DataError: there is none, or several and no name.
    """
    from strmctl.frames.store.store import FrameStore

    names = FrameStore.names(data_dir)
    if name is None:
        if not names:
            raise DataError(
                f"no frame store in {data_dir}",
                "make one: `strmctl prepare sprites`; or name the folder of the stores with `--data`",
            )
        if len(names) > 1:
            here = f"frame stores here: {', '.join(names)}"
            raise DataError(f"{len(names)} frame stores in {data_dir}, and none is named", here)
        name = names[0]
    return FrameStore.open(data_dir, name)


def _print_classes(result: CheckResult, *, every: bool) -> None:
    every = every or len(result.classes) <= MANY_CLASSES
    columns = ("class", "published", "found", "failed", "short", "damaged", "usable")
    for subset in dict.fromkeys(count.subset for count in result.classes):
        counts = [count for count in result.classes if count.subset == subset]
        lines = [(count.cls or "-", *_numbers([count])) for count in counts if every or count.remarkable]
        total = f"all {len(counts)} classes" if len(counts) > 1 else "all"
        title = f"{result.display_name}: {subset}" if subset else result.display_name
        console.print_table(title, columns, [*lines, (total, *_numbers(counts))])


def _numbers(counts: Sequence[ClassCount]) -> tuple[object, ...]:
    published = [count.expected for count in counts if count.expected is not None]
    sums = [sum(getattr(count, key) for count in counts) for key in ("found", "failed", "short", "damaged", "usable")]
    return (sum(published) if published else "-", *sums)


def _say_findings(result: CheckResult) -> None:
    for kind, findings in (("note", result.notes), ("problem", result.problems)):
        for finding in findings:
            first = "; ".join(finding.items[:NAMED]) + ("; …" if len(finding.items) > NAMED else "")
            console.say(f"{kind}: {finding.message}{f': {first}' if first else ''}")
            if kind == "problem":
                console.say(f"  {finding.mend}")
    how = "opened" if result.quick else "read and decoded"
    problems = f"{len(result.problems)} kinds of problems" if len(result.problems) > 1 else "1 kind of problem"
    console.say(
        f"{result.store}: {result.stored:,} clips {how}, {problems if result.problems else 'nothing is wrong'}"
        + ("; checksums and duplicates were left out (--quick)" if result.quick else "")
    )


def _sheet_row(store: FrameStore, row: ClipRow, unreadable: list[str]) -> Any:
    """A clip's row of the sheet; what cannot be read is added to `unreadable`."""
    from strmctl.frames.show import facts, small_pictures
    from strmctl.frames.store.manifest import STORED
    from strmctl.report.pictures.contact_sheet import HEIGHT, WIDEST, SheetRow

    pictures, reason = [], row.reason
    if row.status in STORED:
        try:
            pictures = small_pictures(store, row, count=FRAMES, height=HEIGHT, width=WIDEST)
        except DataError as error:
            reason = error.message
            unreadable.append(reason)
    return SheetRow(row.clip, facts(row), pictures, reason)
