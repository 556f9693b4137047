"""The report as one page of HTML that needs no network, no script and no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

from strmctl.report.pages.sections import Section, commands, introduction, origins, sections
from strmctl.report.pages.style import STYLE
from strmctl.report.tables.formats import csv_table, latex_table, one_line
from strmctl.report.tables.table import ReportTable

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # a browser loads nothing from elsewhere


def page(
    document: Mapping[str, Any], tables: Sequence[ReportTable], findings: Sequence[str], figures: Mapping[str, str]
) -> str:
    """Findings first, then each figure beside its tables, with the tables' files to save.

    Args:
        document: the report.
        tables: of the document.
        findings: sentences.
        figures: name -> SVG.
    """
    parts = sections(tables, figures)
    title = _text(f"Report: {document['title']}")
    source = document["provenance"]
    contents = {"findings": "Findings", **{part.key: part.heading for part in parts}, "provenance": "Provenance"}
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        "<header>",
        f"<h1>{title}</h1>",
        f'<p class="soft">strmctl {_text(str(source["strmctl"]))}, commit {_text(str(source["commit"] or "unknown"))}. '
        "Tinted columns in italics, marked “published”, are the paper's numbers.</p>",
        f"<p>{_text(introduction(document))}</p>",
        '<nav aria-label="Contents"><ul>',
        *(f'<li><a href="#{_text(key)}">{_text(words)}</a></li>' for key, words in contents.items()),
        "</ul></nav>",
        "</header>",
        "<main>",
        '<section class="findings" id="findings">',
        "<h2>Findings</h2>",
        "<ul>" if findings else "<p>No results yet.</p>",
        *(f"<li>{_text(sentence)}</li>" for sentence in findings),
        *(["</ul>"] if findings else []),
        "</section>",
        *(line for part in parts for line in _section(part, figures)),
        '<section id="provenance">',
        "<h2>Provenance</h2>",
        "<dl>",
        *(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in origins(document)),
        "</dl>",
        "<h3>Commands</h3>",
        *(f'<p class="soft">{_text(what)}</p><pre>{_text(command)}</pre>' for what, command in commands(document)),
        "</section>",
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _section(section: Section, figures: Mapping[str, str]) -> list[str]:
    lines = [f'<section id="{_text(section.key)}">', f"<h2>{_text(section.heading)}</h2>"]
    if section.has_figure:
        picture = _data("image/svg+xml", figures[section.key])
        lines += ['<div class="beside">', f'<figure><img src="{picture}" alt="{_text(section.alt)}"></figure>']
    lines.append("<div>")
    for table in section.tables:
        lines += [f"<h3>{_text(table.title)}</h3>", *_table(table)]
        files = {"csv": ("text/csv", csv_table(table)), "tex": ("text/plain", latex_table(table))}
        links = [
            f'<a download="{_text(table.name)}.{suffix}" href="{_data(kind, text)}">{suffix.upper()}</a>'
            for suffix, (kind, text) in files.items()
        ]
        lines += [
            f'<p class="caption">{_text(table.caption)} <span class="files">Save: {", ".join(links)}</span></p>',
        ]
    return [*lines, "</div>", *(["</div>"] if section.has_figure else []), "</section>"]


def _table(table: ReportTable) -> list[str]:
    """The table in a box that scrolls sideways; the first cell of a row is its header."""
    kinds = [
        "words" if position < table.words else "published" if position in table.published else "number"
        for position in range(len(table.columns))
    ]
    head = [
        f'<th scope="col" class="{kind}">{_TAG if kind == "published" else ""}{_text(name)}</th>'
        for kind, name in zip(kinds, table.columns, strict=True)
    ]
    lines = [
        f'<div class="box" role="region" tabindex="0" aria-label="{_text(table.title)}">',
        "<table>",
        f"<thead><tr>{''.join(head)}</tr></thead>",
        "<tbody>",
    ]
    for row in table.rows:
        first, *rest = (_text(cell) for cell in row)
        cells = [f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds[1:], rest, strict=True)]
        each = "" if first else ' class="each"'  # a row that goes on with the one above
        lines.append(f'<tr{each}><th scope="row" class="words">{first}</th>{"".join(cells)}</tr>')
    return [*lines, "</tbody>", "</table>", "</div>"]


_TAG = '<span class="tag">published</span>'


def _text(text: str) -> str:
    return html.escape(one_line(text))


def _data(kind: str, text: str) -> str:
    """A file as a data URI."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode('utf-8', 'replace')).decode()}"
