"""The report as one page of HTML that needs no network, no script and no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from strmctl.report.document import Document
from strmctl.report.pages.sections import commands, introduction, origins, sections
from strmctl.report.tables.formats import csv_table, latex_table, one_line
from strmctl.report.tables.table import ReportTable


def page(document: Document, tables: Sequence[ReportTable], figures: Mapping[str, str]) -> str:
    """Each figure beside its tables, with the tables' files to save; `page.html` is the template.

    Args:
        document: the report.
        tables: tables of the document.
        figures: name -> SVG.
    """
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        autoescape=True,
        loader=loader,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"line": one_line, "data": _data}
    return environment.get_template("page.html").render(
        title=document.title,
        strmctl=document.provenance["strmctl"],
        commit=document.provenance["commit"],
        introduction=introduction(document),
        sections=sections(tables, figures),
        figures=figures,
        csv_table=csv_table,
        latex_table=latex_table,
        origins=origins(document),
        commands=commands(document),
    )


def _data(text: str, kind: str) -> str:
    """A file as a data URI."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode('utf-8', 'replace')).decode()}"
