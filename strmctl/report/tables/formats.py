"""A table of the report as Markdown, LaTeX and CSV, with every label shown as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from strmctl.paths import csv_text
from strmctl.report.tables.table import ReportTable

MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]<>&|$~#])")
LATEX_SIGNS = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # a row may begin with them, and \\ would take them as its own
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "–": r"\textendash{}",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "−": "$-$",
    "…": r"\ldots{}",
    "≤": r"$\leq$",
}


def markdown_text(text: str) -> str:
    """A text on one line, as Markdown shows it unchanged."""
    return MARKDOWN_SIGNS.sub(r"\\\1", one_line(text))


def latex_text(text: str) -> str:
    """A text on one line, as LaTeX shows it unchanged."""
    shown = "".join(LATEX_SIGNS.get(sign, sign) for sign in one_line(text))
    return shown.replace("--", "-{}-")  # two hyphens would become a dash


def one_line(text: str) -> str:
    """Without line breaks, control characters and bytes that are no text."""
    readable = "".join(sign if sign.isprintable() else " " for sign in text.encode("utf-8", "replace").decode())
    return " ".join(readable.split())


def markdown_table(table: ReportTable) -> list[str]:
    """The lines of the table; columns of numbers are aligned right."""
    return markdown_lines(table.columns, table.rows, words=table.words)


def markdown_lines(columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: int) -> list[str]:
    """The lines of a table, of whose columns all but the first `words` hold numbers and are aligned right."""
    rule = ["---" if position < words else "---:" for position in range(len(columns))]
    rows = [list(map(markdown_text, row)) for row in (columns, *rows)]
    return ["| " + " | ".join(cells) + " |" for cells in (rows[0], rule, *rows[1:])]


def latex_table(table: ReportTable) -> str:
    r"""A `table` with caption and label, for `\input` into a document that loads booktabs."""
    alignment = "l" * table.words + "r" * (len(table.columns) - table.words)
    rows = [" & ".join(map(latex_text, row)) + r" \\" for row in (table.columns, *table.rows)]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\small",
        rf"\caption{{{latex_text(f'{table.title}. {table.caption}')}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        rows[0],
        r"\midrule",
        *rows[1:],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def csv_table(table: ReportTable) -> str:
    """The numbers in full precision; an empty cell where there is none."""
    return csv_text(table.csv_columns, table.csv_rows)
