"""The pages that people read: `docs/` with what is generated into them, README, CONTRIBUTING and the reports."""

import re
from pathlib import Path

from docs.hooks import with_generated

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
SHOWN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
PAGES = [*SHOWN, *sorted((ROOT / "reports").rglob("*.md"))]
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def text_of(page):
    """The Markdown of a page, with what is generated into it."""
    return with_generated(page.read_text(encoding="utf-8"))


def prose_of(page):
    """The Markdown of a page without its code."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", text_of(page)))


def links_of(page):
    """Where the links and pictures of a page lead."""
    return re.findall(r'(?:\]\(|(?:src|href)=")([^)"\s]+)[)"]', prose_of(page))


def anchors_of(page):
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
