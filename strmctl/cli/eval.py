"""`strmctl eval`: test a run on many episodes of classes that it has never seen."""

from __future__ import annotations

from pathlib import Path

import click

from strmctl.cli import console
from strmctl.cli.options import (
    FOLDER,
    comma_separated,
    data_option,
    device_option,
    json_option,
    run_option,
    runs_option,
)


@click.command(name="eval", short_help="Test a run on 10,000 episodes, with intervals.")
@run_option
@click.option(
    "--shots", default="1,5", show_default=True, callback=comma_separated(int), help="Support clips per class."
)
@click.option("--way", type=click.IntRange(2), default=5, show_default=True, help="Classes per episode.")
@click.option("--queries", type=click.IntRange(1), default=1, show_default=True, help="Query clips per class.")
@click.option("--episodes", type=click.IntRange(1), default=10_000, show_default=True, help="Number of episodes.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the episodes.")
@click.option(
    "--split", type=click.Choice(["test", "val"]), default="test", show_default=True, help="Subset of classes."
)
@click.option("--classes", metavar="A,B,…", callback=comma_separated(str), help="Only these classes of the split.")
@click.option("--dataset", metavar="NAME", help="Frame store to test on.  [default: the one it was trained on]")
@click.option(
    "--missing-classes",
    type=click.Choice(["error", "drop"]),
    help="What to do about test classes without a usable clip.  [default: what the recipe says]",
)
@click.option("--weights", type=FOLDER, help="Other weights than the run's own weights.pt.")
@click.option(
    "--frame-order",
    "order",
    type=click.Choice(["natural", "repeated", "shuffled"]),
    default="natural",
    show_default=True,
    help="Control: repeat the middle frame, or shuffle the frames of each clip.",
)
@click.option(
    "--controls", is_flag=True, help="Test with each --frame-order and on each pair of opposite classes (2-way)."
)
@data_option
@runs_option
@device_option
@json_option
def command(
    run_name: str | None,
    shots: tuple[int, ...],
    way: int,
    queries: int,
    episodes: int,
    seed: int,
    split: str,
    classes: tuple[str, ...] | None,
    dataset: str | None,
    missing_classes: str | None,
    weights: Path | None,
    order: str,
    controls: bool,
    data_dir: Path,
    runs: Path,
    device: str,
    as_json: bool,
) -> None:
    """Test a run: accuracy and 95 % interval over episodes, for each number of shots.

    \b
    Examples:
      strmctl eval --shots 1,5,10
      strmctl eval --run sprites --classes up,down --way 2
      strmctl eval --frame-order shuffled --episodes 2000
      strmctl eval --controls

    Each clip is embedded once. Results: runs/NAME/eval/*.json, and *.csv with one row per query.
    """
    if min(shots) < 1:
        raise click.BadParameter("shots count from 1", param_hint="--shots")
    if controls and order != "natural":
        raise click.UsageError("--controls tests every frame order; leave out --frame-order")
    from strmctl.engine import run_evaluation
    from strmctl.engine.checkpoint import load_run
    from strmctl.engine.evaluate import Protocol
    from strmctl.paths import run_folder

    run = load_run(run_folder(runs, run_name), device=device, weights=weights)
    store = run_evaluation.store_of(run, data_dir, dataset)
    tests = run_evaluation.select(run, store, split, classes, missing_classes)
    if not tests.known_new:
        console.say(f"note: it is not known what run {run.name} was trained on, so these classes may not be new to it")
    protocol = Protocol(split, way, sorted(set(shots)), queries, episodes, seed)
    if controls:
        _controls(run, tests, protocol, as_json)
        return
    with console.progress("embedding", "clips") as embedding, console.progress("matching", "episodes") as matching:
        result = run_evaluation.evaluate_run(run, tests, protocol, order=order, embedding=embedding, matching=matching)
    document, table = result.write(run_evaluation.result_stem(run, result))
    if as_json:
        console.print_json(result.document())
        return
    from strmctl.report import tables

    console.print_table(tables.title(result), *tables.accuracy(result))
    if tests.dropped:
        console.say(f"without {len(tests.dropped)} classes that have no usable clip: {', '.join(tests.dropped)}")
    console.say(f"{document}\n{table}")


def _controls(run, tests, protocol, as_json: bool) -> None:
    from strmctl.engine import run_evaluation
    from strmctl.paths import write_json, write_text
    from strmctl.report import tables

    with console.progress("controls", "steps") as progress:
        results = run_evaluation.evaluate_controls(run, tests, protocol, progress=progress)
    documents = {name: result.document() for name, result in results}
    plain = run_evaluation.result_stem(run, results[0][1])
    stem = plain.with_name(f"controls_{plain.name}")
    write_json(stem.with_suffix(".json"), documents)
    write_text(stem.with_suffix(".md"), tables.controls_markdown(results))
    if as_json:
        console.print_json(documents)
        return
    console.print_table(f"Controls of run {run.name}", *tables.controls(results))
    console.say(f"{stem}.md")
