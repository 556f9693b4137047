"""Hooks of MkDocs, which `mkdocs.yml` names: parts of pages are generated when the pages are built.

A line `<!-- generated: NAME -->` stands for the text that the function of that name in `GENERATED` returns.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.generate import tables  # noqa: E402 - found there

GENERATED = {**tables.GENERATED}
MARK = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)


def with_generated(markdown: str) -> str:
    """A page with the texts that its marks stand for."""
    return MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """What MkDocs calls with each page."""
    return with_generated(markdown)
