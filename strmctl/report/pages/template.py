"""The one file that imports jinja2: pages of HTML that need no network, no script and no other file.

`base.html` and `style.css` are what all pages have in common.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from strmctl.report.tables.formats import one_line


def render(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: name of a template in this folder; `line` makes a text fit for one line of it, and `data` a data URI
            of a file's text or bytes.
        values: what the template shows; every text is escaped.
    """
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"line": one_line, "data": _data}
    return environment.get_template(template).render(values)


def _data(content: str | bytes, kind: str) -> str:
    """A file as a data URI."""
    raw, kind = (
        (content.encode("utf-8", "replace"), f"{kind};charset=utf-8") if isinstance(content, str) else (content, kind)
    )
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"
