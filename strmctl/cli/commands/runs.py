"""`strmctl runs`: a table of the runs."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import click

from strmctl.cli import console
from strmctl.cli.options import json_option, runs_option
from strmctl.errors import ExitCode


@click.command(name="runs", short_help="List the runs with their validation and tests.")
@runs_option
@json_option
def command(runs: Path, as_json: bool) -> ExitCode:
    """List the runs, the newest first: method, data set, training, best validation, tests.

    Accuracies stand with the half-width of their 95 % interval over episodes. A test other than the usual one (5-way,
    one query per class, 10,000 episodes) is shown with the name of its file in RUNS/RUN/eval.

    \b
    Examples:
      strmctl runs
      strmctl runs --json --runs elsewhere
    """
    from strmctl.model.methods.table import METHODS
    from strmctl.report.terminal.run_table import run_table
    from strmctl.runs.listing import first_line, list_runs

    rows = list_runs(runs)
    if as_json:
        console.print_json({"runs": [asdict(row) for row in rows]})
    else:
        shown = [replace(row, method=METHODS[row.method].shown(row.method)) for row in rows if not row.problem]
        console.print_table(f"Runs in {runs}", *run_table(shown))
    problems = [f"{row.name} cannot be read: {first_line(row.problem)}" for row in rows if row.problem]
    problems += [problem for row in rows for problem in row.damaged]
    for problem in problems:
        console.say(problem)
    return ExitCode.DATA if problems else ExitCode.DONE
