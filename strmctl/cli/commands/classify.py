"""`strmctl classify`: name what videos show, from a few examples of each class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from strmctl.classify import RECIPE, REJECT
from strmctl.cli import classify_output, console, long_video, options
from strmctl.cli.classify_page import Page
from strmctl.cli.interruption import Interruptible
from strmctl.cli.options import FILE, FOLDER
from strmctl.cli.output_files import check_inputs, check_suffix
from strmctl.errors import ExitCode
from strmctl.paths import files_below

if TYPE_CHECKING:
    from strmctl.classify.label import Label


@click.command(name="classify", short_help="Name what videos show, from a few examples of each class.")
@click.argument("videos", nargs=-1, required=True, type=FOLDER, metavar="VIDEO|DIR...")
@click.option("--examples", type=FOLDER, required=True, help="Folder of class folders with example videos.")
@click.option(
    "--run", "run_name", type=options.RUN, metavar="NAME", help="Trained run to use.  [default: none, see --recipe]"
)
@click.option(
    "--recipe",
    type=options.RECIPE,
    metavar="NAME|FILE",
    help="Recipe of the model, which is used without training.  [default: classify, the frozen EfficientNet-Lite0]",
)
@click.option(
    "--group-by",
    metavar="REGEX",
    help="What tells the source video in an example's path: its first group, or all that it matches.  "
    "[default: names as in UCF101 and HMDB51; else each file is a source]",
)
@click.option(
    "--reject",
    type=click.FloatRange(0, 1, max_open=True),
    default=REJECT,
    show_default=True,
    metavar="SHARE",
    help="Share of true examples that may be refused as none of the classes.",
)
@click.option("--no-reject", is_flag=True, help="Give every video a class.")
@click.option(
    "--top", type=click.IntRange(1), default=2, show_default=True, help="Number of classes to show per video."
)
@click.option(
    "--csv",
    "csv_file",
    type=FILE,
    help="CSV file to write: one row per video, or segment (and one for a video without).",
)
@click.option("--html", "html_file", type=FILE, help="Page to write: what the model saw, answers, nearest examples.")
@long_video.window_options
@options.runs_option
@options.device_option
@options.threads_option
@options.loader_threads_option
@options.json_option
def command(
    videos: tuple[Path, ...],
    examples: Path,
    run_name: str | None,
    recipe: str | None,
    group_by: str | None,
    reject: float,
    no_reject: bool,
    top: int,
    csv_file: Path | None,
    html_file: Path | None,
    window: float | None,
    runs: Path,
    device: str,
    as_json: bool,
    **long_videos: Any,
) -> ExitCode:
    """Name what videos show, from a few examples of each class.

    DIR of --examples holds one folder per class, each with any number of videos. Nothing is trained: a frozen,
    pretrained network compares each video with the mean of each class; --run takes a trained run of any method. The
    examples are held out in turn, all clips of a source at once, beside one source less of every other class: this
    tells how often answers are right, makes the probabilities fit, and finds out what is like none of them. Features of
    the examples are kept in RUNS/.examples.

    \b
    Examples:
      strmctl classify --examples my_actions clip.mp4
      strmctl classify --examples my_actions new_clips --csv labels.csv
      strmctl classify --examples my_actions new_clips --run sprites --no-reject
      strmctl classify --examples my_actions long.mp4 --window 2 --timeline long.png

    The nearest example is the one that the model likes best where each example is a class of its own. A video that
    cannot be read has a row with the reason; then the exit code is 3. What is done before Ctrl-C is shown and written.

    With --window, videos are long, and searched for the classes. A moment has the answer of the window whose middle is
    nearest, a class or none of them; moments in a row with one answer are a segment. One shorter than half a window is
    dropped; then a gap as short between two of a class is closed.
    """
    given = click.get_current_context().get_parameter_source
    if window is not None and given("top") is not ParameterSource.DEFAULT:
        raise click.UsageError("--top is for whole videos; with --window, leave it out")
    if no_reject and given("reject") is not ParameterSource.DEFAULT:
        raise click.UsageError("--no-reject refuses nothing; leave out --reject")
    if run_name and recipe:
        raise click.UsageError("--run brings its own recipe; leave out --recipe")
    check_suffix("--csv", csv_file, "the table is a CSV file", ".csv")
    check_suffix("--html", html_file, "the page is HTML", ".html", ".htm")

    from strmctl.classify.classifier import Classifier
    from strmctl.classify.examples import find_videos
    from strmctl.runs.folder import run_folder

    found, notes = find_videos(videos)  # before any long work
    for note in notes:
        console.say(f"note: {note}")
    read = [*found, *files_below(examples)]
    check_inputs("--csv", csv_file, read)
    check_inputs("--html", html_file, read)
    asked = long_video.wanted(window, long_videos, found, read=read, folders=[examples, *videos])
    page = None if html_file is None else Page(html_file, top)
    run = run_folder(runs, run_name, console.say) if run_name else None
    how = {"group_by": group_by, "reject": None if no_reject else reject, "runs": runs, "device": device}
    with console.progress("examples", "videos") as embedding:
        classifier = Classifier.from_examples(
            examples, run=run, recipe=recipe or RECIPE, progress=embedding, announce=console.say, **how
        )
    if asked is not None:
        return long_video.find(classifier, found, asked, csv_file=csv_file, page=page, as_json=as_json)
    labels: list[Label] = []
    with Interruptible(labels, len(found)) as work, console.progress("videos", "videos") as embedding:
        for label in classifier.predict_each(found, progress=embedding, pictures=page and page.pictures):
            labels.append(label)  # at once: an interruption keeps it
    try:
        if not as_json:  # first, so that it is seen whatever becomes of the file
            classify_output.show(classifier, labels, top)
    finally:  # also where whatever reads stdout has ended
        if csv_file is not None:
            classify_output.write_table(csv_file, classifier, labels)
    if page is not None:
        page.write(classifier, labels)
    if as_json:
        console.print_json(classify_output.document(classifier, labels))
    return work.exit_code(not any(label.reason for label in labels))
