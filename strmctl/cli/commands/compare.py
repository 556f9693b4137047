"""`strmctl compare`: whether one run is better than another, on the very same episodes."""

from __future__ import annotations

from pathlib import Path

import click

from strmctl.cli import console
from strmctl.cli.options import RUNS, json_option, runs_option


@click.command(name="compare", short_help="Compare runs, or groups of seeds, on the same episodes.")
@click.argument("names", type=RUNS, metavar="RUN RUN …", nargs=-1, required=True)
@click.option(
    "--result",
    "stems",
    metavar="STEM",
    multiple=True,
    help="Result to compare, a file name in runs/NAME/eval without suffix; give it once, or once for each RUN.  "
    "[default: the newest that all runs have]",
)
@runs_option
@json_option
def command(names: tuple[str, ...], stems: tuple[str, ...], runs: Path, as_json: bool) -> None:
    """Compare runs with the first one, query by query, on the results of the same episodes that `strmctl eval` wrote.

    For each number of shots, it prints the difference of the accuracies with its 95 % interval and the p-value of a
    two-sided sign-flip test (9,999 flips), over episodes and over classes. All numbers are conditional on these
    weights and these clips. Results of other episodes or other clips are refused.

    Runs with commas between them are a group, the training seeds of one recipe. Groups are compared seed by seed, with
    the mean difference and its 95 % interval over seeds.

    \b
    Examples:
      strmctl compare trx strm
      strmctl compare trx strm otam --result test_5way_1q_s0
      strmctl compare strm strm --result test_5way_1q_s0 --result test_5way_1q_s0_shuffled
      strmctl compare trx-0,trx-1,trx-2 strm-0,strm-1,strm-2
    """
    from strmctl.evaluation.comparison.compare import compare

    document = compare(runs, names, stems)
    for warning in document["warnings"]:
        console.say(f"warning: {warning}")
    if as_json:
        console.print_json(document)
        return
    from strmctl.report.terminal import comparison

    for title, table in comparison.comparison(document):
        console.print_table(title, *table)
    console.print_text(comparison.SEEDS if "groups" in document else comparison.PAIRED)
    console.print_text(document["conditional"])
    console.say("\n".join(source["result"] for source in document["sources"].values()))
