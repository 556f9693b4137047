"""`strmctl eval`: test a run on many episodes of classes that it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from strmctl.cli import console, eval_output, options
from strmctl.cli.options import FOLDER, comma_separated

if TYPE_CHECKING:
    from strmctl.evaluation.embedding_tasks import LoadedFrom, Share
    from strmctl.evaluation.select import EvaluationSet
    from strmctl.results import EvalResult
    from strmctl.runs.checkpoint import LoadedRun

USUAL = (5, 1, 10_000, 0)  # way, queries, episodes, seed


@click.command(name="eval", short_help="Test a run on 10,000 episodes, with intervals.")
@click.option(
    "--run",
    "run_names",
    type=options.RUN,
    metavar="NAME",
    multiple=True,
    help="Run to test; give it several times for training seeds of one recipe.  [default: the newest]",
)
@click.option(
    "--recipe",
    type=options.RECIPE,
    metavar="NAME|FILE",
    help="Recipe without training (train.episodes 0) to test; its run is made where it is missing.",
)
@click.option(
    "--shots", default="1,5", show_default=True, callback=comma_separated(int), help="Support clips per class."
)
@click.option("--way", type=click.IntRange(2), default=5, show_default=True, help="Classes per episode.")
@click.option("--queries", type=click.IntRange(1), default=1, show_default=True, help="Query clips per class.")
@click.option("--episodes", type=click.IntRange(1), default=10_000, show_default=True, help="Number of episodes.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the episodes.")
@click.option(
    "--split", type=click.Choice(["test", "val"]), default="test", show_default=True, help="Subset of the classes."
)
@click.option(
    "--classes", metavar="A,B,…", callback=comma_separated(str), help="Classes of the split to test on.  [default: all]"
)
@click.option(
    "--dataset", type=options.STORE, metavar="NAME", help="Frame store to test on.  [default: that of the training]"
)
@click.option(
    "--missing-classes",
    type=click.Choice(["error", "drop"]),
    help="What to do about test classes without a usable clip.  [default: what the recipe says]",
)
@click.option(
    "--weights",
    type=options.WEIGHTS,
    default="best",
    show_default=True,
    metavar="best|last|FILE",
    help="Weights to test: the best on the val split, those of the last training episode, or a file.",
)
@click.option(
    "--frame-order",
    "order",
    type=click.Choice(["natural", "repeated", "shuffled"]),
    default="natural",
    show_default=True,
    help="Order of the frames of each clip; as controls, its middle frame repeated, or its frames shuffled.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Precision of the embedding; episodes are always matched in float32.",
)
@click.option(
    "--text-weight",
    type=click.FloatRange(0, 1),
    metavar="W",
    help="Weight of the texts of class names in the prediction of clip_fsar.  [default: what the recipe says]",
)
@click.option("--no-cache", is_flag=True, help="Embed every episode anew from its frames, which is slow.")
@click.option(
    "--memory",
    callback=options.byte_count,
    metavar="SIZE",
    help="Largest size of features that are held in memory, such as 2G.  [default: a quarter of what is free]",
)
@click.option(
    "--distinct-groups", is_flag=True, help="Never take support and query of an episode from the same source video."
)
@click.option("--save-episodes", type=FOLDER, help="CSV file to write the episodes to: episode, role, class, clip.")
@click.option(
    "--episodes-from", type=FOLDER, help="File that --save-episodes wrote; its episodes are tested instead of new ones."
)
@click.option(
    "--save-examples",
    type=click.IntRange(1),
    metavar="K",
    help="Keep the K most confident errors and hits for `viz --from-eval`, for each number of shots.",
)
@click.option("--no-pictures", is_flag=True, help="Leave out the pictures of the confusion matrices.")
@click.option(
    "--controls", is_flag=True, help="Test with each --frame-order and on each pair of opposite classes (2-way)."
)
@click.option("--wide", is_flag=True, help="Print every interval, and the numbers of episodes and classes.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that embed clips together, each on a GPU of its own; `torchrun` and `srun` start them as well.",
)
@options.data_option
@options.runs_option
@options.device_option
@options.threads_option
@options.loader_threads_option
@options.json_option
def command(
    run_names: tuple[str, ...],
    recipe: str | None,
    shots: tuple[int, ...],
    way: int,
    queries: int,
    episodes: int,
    seed: int,
    split: str,
    classes: tuple[str, ...] | None,
    dataset: str | None,
    missing_classes: str | None,
    weights: str,
    order: str,
    dtype: str,
    text_weight: float | None,
    no_cache: bool,
    memory: int | None,
    distinct_groups: bool,
    save_episodes: Path | None,
    episodes_from: Path | None,
    save_examples: int | None,
    no_pictures: bool,
    controls: bool,
    wide: bool,
    jobs: int,
    data_dir: Path,
    runs: Path,
    device: str,
    as_json: bool,
) -> None:
    """Test a run: accuracy for each number of shots, with 95 % intervals over episodes and over classes.

    \b
    Examples:
      strmctl eval --shots 1,5,10
      strmctl eval --run sprites --classes up,down --way 2
      strmctl eval --frame-order shuffled --episodes 2000
      strmctl eval --run seed0 --run seed1 --run seed2
      strmctl eval --distinct-groups --save-episodes episodes.csv
      strmctl eval --save-examples 3
      strmctl eval --text-weight 0.9
      strmctl eval --controls
      strmctl eval --weights last
      strmctl eval --weights snapshots/25000.pt
      strmctl eval --recipe jhmdb_prototype
      strmctl eval --jobs 4                            # on four GPUs
      torchrun --nproc-per-node 4 -m strmctl eval      # the same; srun spans machines as well

    Each clip is embedded once, and its features are kept in runs/NAME/cache for the next test of the same weights.
    However many processes embed, the features are the same, and one process matches, writes and prints.
    Results: runs/NAME/eval/*.json, *.csv with one row per query, and confusion matrices.
    """
    if min(shots) < 1:
        raise click.BadParameter("shots count from 1", param_hint="--shots")
    drawn_here = (way, queries, episodes, seed) != USUAL
    unusual = (
        any((distinct_groups, save_episodes, save_examples, no_cache, dtype != "float32", text_weight is not None))
        or len(run_names) > 1
    )
    refusals = {
        "--recipe names the run by itself; leave out --run": recipe and run_names,
        "--controls tests every frame order; leave out --frame-order": controls and order != "natural",
        "--controls tests one run in the usual way; leave out the other options": controls
        and (unusual or episodes_from),
        "--no-cache computes in float32; leave out --dtype": no_cache and dtype != "float32",
        "--no-cache computes in one process; leave out --jobs": no_cache and jobs > 1,
        "a file of --weights belongs to one run; name only one with --run": weights not in ("best", "last")
        and len(run_names) > 1,
        "--episodes-from sets the way, queries, number and seed of the episodes; leave these out": episodes_from
        and drawn_here,
    }
    if found := [message for message, wrong in refusals.items() if wrong]:
        raise click.UsageError(found[0])
    from strmctl.errors import UsageError
    from strmctl.evaluation.embedding_tasks import Source, follow, together
    from strmctl.evaluation.joining import joined, with_helpers
    from strmctl.runs.folder import run_folder

    def source() -> Source:
        names = (_made(recipe, runs, data_dir, device),) if recipe else run_names or (None,)
        folders = [run_folder(runs, name, console.say) for name in names]
        if len(set(folders)) < len(folders):
            raise UsageError("the same run is named twice", "name each run once")
        return Source(folders, weights, device, data_dir, dataset)

    def test(loaded: list[LoadedFrom], share: Share) -> None:
        from strmctl.episodes.files import write_episodes
        from strmctl.evaluation.comparison.seed_groups import check_one_recipe
        from strmctl.evaluation.episodes import draw_episodes, episodes_of_file
        from strmctl.evaluation.examples import ConfidentExamples
        from strmctl.evaluation.match import Protocol, nobody
        from strmctl.evaluation.run import evaluate_run
        from strmctl.evaluation.select import select

        protocol = Protocol(split, way, sorted(set(shots)), queries, episodes, seed, distinct_groups)
        tested = [(run, select(run, store, split, classes, missing_classes)) for run, store in loaded]
        if controls:
            _controls(*tested[0], protocol, share, as_json)
            return
        check_one_recipe({run.name: run.recipe.model_dump() for run, _ in tested})
        how = {"order": order, "dtype": dtype, "cached": not no_cache, "memory": memory, "announce": console.say}
        how |= {"share": share, "ranks": ranks.count, "text_weight": text_weight}
        results, stems = [], []
        for run, tests in tested:
            given = (tests.clips, tests.store.groups, protocol)
            drawn = episodes_of_file(episodes_from, *given) if episodes_from else draw_episodes(*given)
            if save_episodes is not None:
                write_episodes(save_episodes, drawn.episodes)
            examples = ConfidentExamples(save_examples) if save_examples else None
            how["seen"] = examples.see if examples else nobody
            with (
                console.progress("embedding", "clips") as embedding,
                console.progress("matching", "episodes") as matching,
            ):
                result = evaluate_run(run, tests, drawn, embedding=embedding, matching=matching, **how)
            results.append(result)
            stems.append(_keep(run, tests, result, as_json, wide))
            if examples:
                eval_output.keep_examples(examples, stems[-1], result, data_dir)
        _show(results, as_json)
        if not no_pictures:
            eval_output.draw(results, stems)

    with joined(device, adds_up=False) if jobs == 1 else with_helpers(jobs, device, follow) as ranks:
        together(ranks, source, test)


def _keep(run: LoadedRun, tests: EvaluationSet, result: EvalResult, as_json: bool, wide: bool) -> Path:
    """Writes a result and shows it; returns its path without suffix."""
    from strmctl.evaluation.comparison.saved_results import agreement_with_float32
    from strmctl.evaluation.result_files import result_stem

    stem = result_stem(run, result)
    written = eval_output.keep(result, stem, tables=not as_json, wide=wide)
    eval_output.remark(result, tests, written)
    if result.provenance["dtype"] != "float32":
        eval_output.remark_agreement(agreement_with_float32(run, result))
    return stem


def _show(results: list[EvalResult], as_json: bool) -> None:
    """Prints the documents of all runs, or what several have in common."""
    from strmctl.evaluation.comparison.seed_groups import group_summary

    summary = group_summary(results) if len(results) > 1 else None
    if as_json:
        documents = [result.document() for result in results]
        console.print_json({"runs": documents, "summary": summary} if summary else documents[0])
    elif summary:
        eval_output.show_seeds(summary)


def _made(recipe: str, runs: Path, data_dir: Path, device: str) -> str:
    """The name of the run of a recipe that needs no training."""
    from strmctl.training.run import untrained_run

    return untrained_run(runs, recipe, data_dir, device=device, announce=console.say).name


def _controls(run, tests, protocol, share: Share, as_json: bool) -> None:
    from strmctl.evaluation.result_files import result_stem
    from strmctl.evaluation.run import evaluate_controls
    from strmctl.paths import write_json, write_text
    from strmctl.report.terminal import eval_tables
    from strmctl.results import CONTROLS

    with console.progress("controls", "steps") as progress:
        results = evaluate_controls(run, tests, protocol, share=share, progress=progress)
    documents = {name: result.document() for name, result in results}
    plain = result_stem(run, results[0][1])
    stem = plain.with_name(f"{CONTROLS}{plain.name}")
    write_json(stem.with_suffix(".json"), documents)
    write_text(stem.with_suffix(".md"), eval_tables.controls_markdown(results))
    if as_json:
        console.print_json(documents)
        return
    console.print_table(f"Controls of run {run.name}", *eval_tables.controls(results))
    console.say(f"{stem}.md")
