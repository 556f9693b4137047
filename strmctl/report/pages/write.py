"""Writes a report: the document, a page, Markdown, and for each table and figure the files that papers need."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from strmctl.paths import write_text
from strmctl.report.document import Document, from_json
from strmctl.report.pages.markdown import report_markdown
from strmctl.report.pages.page import page
from strmctl.report.pictures.attention import save_picture
from strmctl.report.tables.formats import csv_table, latex_table
from strmctl.report.tables.grids import tables


def write_report(document: Document, out: Path, figures: Mapping[str, Figure]) -> list[Path]:
    """Writes every file of a report into a folder; other files there stay as they are.

    The same document and figures give the same bytes.

    Args:
        document: the report.
        out: folder, made if need be.
        figures: name -> figure; the names are stems of files.

    Returns:
        The files, `index.html` first.

    Raises:
        OSError: a file cannot be written.
    """
    content = document.to_json()
    document = from_json(content)  # what is shown is what is written: every text is fit for UTF-8
    found = tables(document)
    pictures = {name: svg_text(figure) for name, figure in figures.items()}
    texts = {
        "index.html": page(document, found, pictures),
        "report.md": report_markdown(document, found, figures),
        "report.json": json.dumps(content, indent=2, ensure_ascii=False) + "\n",
    }
    for table in found:
        texts |= {f"{table.name}.csv": csv_table(table), f"{table.name}.tex": latex_table(table)}
    texts |= {f"{name}.svg": picture for name, picture in pictures.items()}
    for name, text in texts.items():
        write_text(out / name, text)
    for name, figure in figures.items():
        save_picture(figure, out / f"{name}.png")
    return [out / name for name in (*texts, *(f"{name}.png" for name in figures))]


def svg_text(figure: Figure) -> str:
    """A figure as SVG; the same figure gives the same text, without a date."""
    text = io.BytesIO()
    with rc_context({"svg.hashsalt": "strmctl"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a label may be in any script
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue().decode()
