"""Hooks of MkDocs, which `mkdocs.yml` names: what pages generate from the tool, and pages from outside of `docs/`.

A line `<!-- generated: NAME -->` stands for the text that the function of that name in `GENERATED` returns. Files of
the repository that a page links to, reports for instance, become part of the site, and so do those that they link to.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.generate import api, commands, data_sets, notebook, tables  # noqa: E402 - found there

GENERATED = {
    **tables.GENERATED,
    **data_sets.GENERATED,
    **commands.GENERATED,
    **api.GENERATED,
    **notebook.GENERATED,
}
MARK = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)
LINK = re.compile(
    r"(?P<code>^```.*?^```$|`[^`\n]+`)|(?P<begin>\]\()(?P<file>[^)\s#:]+)(?P<end>#[^)\s]*\)|\))", re.M | re.S
)


def with_generated(markdown: str) -> str:
    """A page with the texts that its marks stand for."""
    return MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)


def linked_files(file: str) -> Iterator[str]:
    """The files that a page of the repository links to, by their paths in the repository."""
    for link in LINK.finditer((ROOT / file).read_text(encoding="utf-8")):
        if link["file"]:
            yield posixpath.normpath(posixpath.join(posixpath.dirname(file), link["file"]))


def place(file: str) -> str:
    """Where a file of the repository lies in the site; a README would take the place of a page `index.html`."""
    path = PurePosixPath(file)
    path = path.with_name("readme.md") if path.name == "README.md" else path
    return str(path.relative_to("docs") if path.parts[0] == "docs" else path)


def outside(pages: list[str]) -> list[str]:
    """The files outside of `docs/` that these pages, and the pages among those files, link to."""
    found: dict[str, None] = {}
    queue = list(pages)
    while queue:
        for file in linked_files(queue.pop()):
            if not file.startswith(("docs/", "../")) and file not in found and (ROOT / file).is_file():
                found[file] = None
                queue += [file] if file.endswith(".md") else []
    return list(found)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """What MkDocs calls with the files of `docs/`: those from outside come along."""
    from mkdocs.structure.files import File

    pages = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    for file in outside(pages):
        files.append(File.generated(config, place(file), abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """What MkDocs calls with each page: its links lead to where the files lie in the site."""
    here = page.file.abs_src_path
    folder = Path(here).resolve().relative_to(ROOT).parent.as_posix()
    base = posixpath.dirname(page.file.src_uri)

    def in_site(link: re.Match[str]) -> str:
        if not link["file"]:
            return link[0]
        file = posixpath.normpath(posixpath.join(folder, link["file"]))
        return link["begin"] + posixpath.relpath(place(file), base or ".") + link["end"]

    return LINK.sub(in_site, with_generated(markdown))
