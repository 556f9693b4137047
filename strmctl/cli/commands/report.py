"""`strmctl report`: grids and runs as tables, figures and a page, with the paper's numbers beside ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.cli import console
from strmctl.cli.options import GRID_OR_RUN, HomePath, data_option, json_option, runs_option
from strmctl.errors import DataError
from strmctl.paths import write_bytes

if TYPE_CHECKING:
    from strmctl.report.document import Document
    from strmctl.report.drawing import Rendered


@click.command(name="report", short_help="Tables, figures and a page of grids and runs, beside the paper's numbers.")
@click.argument("names", type=GRID_OR_RUN, metavar="[RUN|GRID …]", nargs=-1)
@click.option(
    "--out",
    type=HomePath(file_okay=False),
    default=Path("report"),
    show_default=True,
    help="Folder of the report; other files stay.",
)
@click.option(
    "--attention/--no-attention",
    default=True,
    help="Whether to show where models look in two test clips, whose frames the report then holds.  [default: where "
    "--data has them]",
)
@data_option
@runs_option
@json_option
def command(names: tuple[str, ...], out: Path, attention: bool, data_dir: Path, runs: Path, as_json: bool) -> None:
    """Draw the tables and figures of section 4 of the paper from grids (`strmctl ablate`) and tested runs.

    \b
    Examples:
      strmctl report --out reports/mine
      strmctl report sprites-components sprites-shots --out reports/mine
      strmctl report ssv2-s0 ssv2-s1 ssv2-s2 --out reports/ssv2

    Without names, all grids in --runs. Runs that are training seeds of one recipe count together. A grid that is not
    finished is reported as far as it is.

    The folder gets index.html (everything on one page, to open or send), report.md, report.json, and of each table CSV
    and LaTeX (booktabs), of each figure PNG and SVG. First comes one table of findings, which says of each claim that
    these runs could settle whether it holds, and is printed as well; then what was found here: accuracies, learning
    curves, confusion, attention. What papers print comes last, of the data sets of the runs alone; beside ours it
    stands in columns and panels of its own.
    """
    from strmctl.ablation.report_document import collect
    from strmctl.report.pages.write import write_report
    from strmctl.report.tables.grids import tables

    document = collect(runs, names)
    if not as_json:
        for table in tables(document)[:1]:  # the findings, or else the first accuracies
            console.print_table(table.title, table.columns, table.rows)
            console.print_text(table.caption)
    figures = _figures(document, out)
    written = write_report(document, out, figures)
    if attention and (maps := _maps(document, out, runs, data_dir)):  # whatever becomes of it, a report is there
        figures |= {name: figure for name, (figure, _) in maps.items()}
        document = replace(document, attention={name: shown for name, (_, shown) in maps.items()})
        written = write_report(document, out, figures)
    if as_json:
        console.print_json(document.to_json())
    for kind, figure in figures.items():
        path = out / f"{kind}.png"
        with console.picture(path):
            write_bytes(path, figure.png)
            written.append(path)
    console.say(f"{written[0]} and {len(written) - 1} more files beside it")


def _figures(document: Document, out: Path) -> dict[str, Rendered]:
    """The figures that can be drawn; of others, a warning says why not."""
    figures = {}
    with console.picture(out / "*.png"):
        from strmctl.report.charts.draw import charts
        from strmctl.report.drawing import rendered
        from strmctl.report.pictures.confusion import confusion_figures

        for kind, draw in charts(document).items():
            with console.picture(out / f"{kind}.png"):
                figures[kind] = draw()
        for kind, draw in confusion_figures(document).items():
            with console.picture(out / f"{kind}.png"):
                figures[kind] = rendered(draw())
    return figures


def _maps(document: Document, out: Path, runs: Path, data_dir: Path) -> dict[str, tuple[Rendered, dict[str, Any]]]:
    """The pictures of attention, and what each shows, in numbers; where there are none, a note says what is missing."""
    maps = {}
    with console.picture(out / "attention_*.png"):
        from strmctl.explain.report_maps import report_maps
        from strmctl.report.pictures.photo import photo

        try:
            for name, figure, shown in report_maps(document, runs, data_dir):
                maps[name] = photo(figure), shown
        except DataError as error:
            console.say(f"note: no pictures of attention: {error.message}; {error.hint}")
    return maps
