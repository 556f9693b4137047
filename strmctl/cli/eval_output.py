"""What `strmctl eval` shows and draws of a result."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strmctl.cli import console
from strmctl.cli.advice import elsewhere
from strmctl.model.methods.table import how_near, is_told
from strmctl.report.terminal import comparison, eval_tables
from strmctl.report.wording import seen_in_pretraining
from strmctl.results import result_files

if TYPE_CHECKING:
    from strmctl.evaluation.examples import ConfidentExamples
    from strmctl.evaluation.select import EvaluationSet
    from strmctl.results import EvalResult


def keep(result: EvalResult, stem: Path, *, tables: bool, wide: bool = False) -> tuple[Path, Path]:
    """Writes a result and, as one CSV file, its confusion matrices, and prints the tables, whatever the disk says.

    Returns:
        The paths of the result.
    """
    try:
        whole = result.write(stem)
        eval_tables.write_confusion(stem.with_name(f"{stem.name}_confusion.csv"), whole)
    finally:
        if tables:
            show(result, wide=wide)
    if kept := sorted({*whole.shots} - {*result.shots}):
        console.say(f"kept beside it, of an earlier call of the same test: {', '.join(map(str, kept))} shots")
    return result_files(stem)


def keep_examples(examples: ConfidentExamples, stem: Path, result: EvalResult, data_dir: Path) -> None:
    """Writes the examples of a result, and says how to look at them."""
    path = examples.write(stem, result)
    console.say(f"examples: `strmctl viz --from-eval {shlex.quote(str(path))}{elsewhere(data=data_dir)}` draws them")


def draw(results: Sequence[EvalResult], stems: Sequence[Path]) -> None:
    """Draws the confusion matrix of each result and number of shots."""
    each = [(*pair, figures) for pair in zip(results, stems, strict=True) for figures in pair[0].results]
    for result, stem, figures in each:
        path = stem.with_name(f"{stem.name}_confusion_{figures['shot']}shot.png")
        with console.picture(path):
            from strmctl.report.drawing import save_picture
            from strmctl.report.pictures.confusion import draw_confusion

            title = f"{eval_tables.title(result)}, {figures['shot']}-shot"
            save_picture(draw_confusion(**figures["confusion"], title=title), path)


def show(result: EvalResult, *, wide: bool = False) -> None:
    """Prints the tables of a result, on request with every interval."""
    console.print_table(
        eval_tables.title(result), *(eval_tables.wide_accuracy if wide else eval_tables.accuracy)(result)
    )
    console.say(eval_tables.ALL_INTERVALS if wide else eval_tables.INTERVALS)
    for figures in result.results:
        if figures["confused"]:
            console.print_table(f"Most confused, {figures['shot']}-shot", *eval_tables.confused(figures))


def show_seeds(summary: dict[str, Any]) -> None:
    """Prints the accuracies of training seeds, their mean and standard deviation."""
    console.print_table(f"Training seeds: {', '.join(summary['runs'])}", *comparison.seeds(summary))


def remark(result: EvalResult, tests: EvaluationSet, written: tuple[Path, Path]) -> None:
    """Says on stderr what a reader should know about a result, and where it was written."""
    source = result.provenance
    if source["selected_by"] != "val split":
        console.say(f"weights: {source['weights_file']}, chosen by: {source['selected_by']}")
    if is_told(source["recipe"]):
        console.say(f"run {result.run} is given the names of the classes, which most methods are not")
    if near := how_near(source["recipe"]):
        console.say(f"method {source['recipe']['method']} of run {result.run} is {near}")
    if not tests.known_new:
        console.say(f"it is not known what run {result.run} was trained on, so these classes may not be new to it")
    if words := seen_in_pretraining(source.get("pretraining", {})):
        console.say(f"warning: {words}")
    if tests.dropped:
        console.say(f"without {len(tests.dropped)} classes that have no usable clip: {', '.join(tests.dropped)}")
    if shared := {shot: share for shot, share in source.get("shared_sources", {}).items() if share > 0}:
        shares = ", ".join(f"{100 * share:.1f} % at {shot}-shot" for shot, share in shared.items())
        console.say(
            f"support and query share a source video in {shares} of the episodes; --distinct-groups avoids that"
        )
    narrow = ", ".join(f"{count} at {shot}-shot" for shot, count in source["narrow"].items())
    console.say(f"predictions that rounding may decide (margin below 1e-5 of the largest logit): {narrow}")
    console.say("\n".join(map(str, written)))


def remark_agreement(shares: dict[int, float] | None) -> None:
    """Says how many predictions are the same in float32."""
    if shares is None:
        console.say("test without --dtype as well, and the next test says how many predictions are the same")
        return
    listed = ", ".join(f"{100 * share:.2f} % at {shot}-shot" for shot, share in shares.items())
    console.say(f"predictions that are the same in float32: {listed}")
