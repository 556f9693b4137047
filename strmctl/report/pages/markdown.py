"""The report as one Markdown file beside its pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from strmctl.report.document import Document
from strmctl.report.pages.sections import commands, introduction, origins, sections
from strmctl.report.tables.formats import markdown_table, markdown_text, one_line
from strmctl.report.tables.table import ReportTable


def report_markdown(document: Document, tables: Sequence[ReportTable], figures: Collection[str]) -> str:
    """Each figure and its tables, provenance and commands.

    Args:
        document: the report.
        tables: tables of the document.
        figures: names of the pictures that lie beside the file.
    """
    lines, about = [f"# Report: {markdown_text(document.title)}"], markdown_text(introduction(document, tables))
    parts = sections(tables, figures)
    if not parts or parts[0].key != "findings":
        lines += ["", about]
    for section in parts:
        lines += ["", f"## {markdown_text(section.heading)}"]
        for figure in section.figures:
            lines += ["", f"![{markdown_text(section.alt(figure))}]({figure}.png)"]
        for table in section.tables:
            files = f"[CSV]({table.name}.csv), [LaTeX]({table.name}.tex)"
            if table.title != section.heading:
                lines += ["", f"### {markdown_text(table.title)}"]
            lines += ["", *markdown_table(table), "", f"{markdown_text(table.caption)} {files}"]
        if section.key == "findings":
            lines += ["", about]
    lines += ["", "## Provenance", "", "| | |", "| --- | --- |"]
    lines += [f"| {markdown_text(name)} | {markdown_text(value)} |" for name, value in origins(document.provenance)]
    lines += ["", "## Commands"]
    for what, command in commands(document):
        lines += ["", markdown_text(what), "", f"    {one_line(command)}"]
    return "\n".join(lines) + "\n"
