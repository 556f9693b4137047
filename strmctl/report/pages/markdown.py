"""The report as one Markdown file beside its pictures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from strmctl.report.pages.sections import commands, introduction, origins, sections
from strmctl.report.tables.formats import markdown_table, markdown_text, one_line
from strmctl.report.tables.table import ReportTable


def report_markdown(
    document: Mapping[str, Any], tables: Sequence[ReportTable], findings: Sequence[str], figures: Collection[str]
) -> str:
    """Findings, each figure and its tables, provenance and commands.

    Args:
        document: the report.
        tables: of the document.
        findings: sentences.
        figures: names of the pictures that lie beside the file.
    """
    lines = [f"# Report: {markdown_text(document['title'])}", "", markdown_text(introduction(document))]
    lines += ["", "## Findings", ""]
    lines += [f"- {markdown_text(sentence)}" for sentence in findings] or ["No results yet."]
    for section in sections(tables, figures):
        lines += ["", f"## {markdown_text(section.heading)}"]
        if section.has_figure:
            lines += ["", f"![{markdown_text(section.alt)}]({section.key}.png)"]
        for table in section.tables:
            files = f"[CSV]({table.name}.csv), [LaTeX]({table.name}.tex)"
            lines += ["", f"### {markdown_text(table.title)}", "", *markdown_table(table)]
            lines += ["", f"{markdown_text(table.caption)} {files}"]
    lines += ["", "## Provenance", "", "| | |", "| --- | --- |"]
    lines += [f"| {markdown_text(name)} | {markdown_text(value)} |" for name, value in origins(document)]
    lines += ["", "## Commands"]
    for what, command in commands(document):
        lines += ["", markdown_text(what), "", f"    {one_line(command)}"]
    return "\n".join(lines) + "\n"
