"""Writes a report: the document, a page, Markdown, and for each table and figure the files that papers need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from strmctl.paths import json_text, write_text
from strmctl.report.document import Document, from_json
from strmctl.report.pages.markdown import report_markdown
from strmctl.report.pages.page import page
from strmctl.report.tables.formats import csv_table, latex_table
from strmctl.report.tables.grids import tables

if TYPE_CHECKING:
    from strmctl.report.drawing import Rendered


def write_report(document: Document, out: Path, figures: Mapping[str, Rendered]) -> list[Path]:
    """Writes every file of a report but the PNG files into a folder; other files there stay as they are.

    The same document and figures give the same bytes.

    Args:
        document: the report.
        out: folder, made if need be.
        figures: name -> figure; the names are stems of files, also of the PNG files that `report.md` shows.

    Returns:
        The files, `index.html` first.

    Raises:
        OSError: a file cannot be written.
    """
    content = document.to_json()
    document = from_json(content)  # what is shown is what is written: every text is fit for UTF-8
    found = tables(document)
    texts = {
        "index.html": page(document, found, figures),
        "report.md": report_markdown(document, found, figures),
        "report.json": json_text(content) + "\n",
    }
    for table in found:
        texts |= {f"{table.name}.csv": csv_table(table), f"{table.name}.tex": latex_table(table)}
    texts |= {f"{name}.svg": picture.svg for name, picture in figures.items()}
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / name for name in texts]
