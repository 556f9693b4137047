"""The report as one page of HTML that needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from strmctl.report.document import Document
from strmctl.report.pages.inline import inline, palette, pixels_of
from strmctl.report.pages.sections import commands, introduction, origins, sections
from strmctl.report.pages.template import render
from strmctl.report.tables.formats import csv_table, latex_table
from strmctl.report.tables.table import ReportTable

if TYPE_CHECKING:
    from strmctl.report.drawing import Rendered


def page(document: Document, tables: Sequence[ReportTable], figures: Mapping[str, Rendered]) -> str:
    """Each figure beside its tables, with the tables' files to save; `page.html` is the template.

    Args:
        document: the report.
        tables: tables of the document.
        figures: name -> figure.
    """
    return render(
        "page.html",
        title=document.title,
        strmctl=document.provenance["strmctl"],
        commit=document.provenance["commit"],
        introduction=introduction(document, tables),
        published=any(table.published for table in tables),
        sections=sections(tables, figures),
        figures=figures,
        inline=inline,
        pixels_of=pixels_of,
        palette=palette(),
        csv_table=csv_table,
        latex_table=latex_table,
        origins=origins(document.provenance),
        commands=commands(document),
    )
