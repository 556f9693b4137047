"""No link of a page is dead: files and anchors are there, and addresses are written as addresses are."""

import re

import pytest

from tests.docs.pages import PAGES, anchors_of, links_of, name_of

ADDRESS = re.compile(r"https?://[a-z0-9.-]+\.[a-z]{2,}(/[\w.,:;~%&=?/()#-]*)?")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    dead = []
    for link in links_of(page):
        if ":" in link.partition("/")[0]:
            dead += [] if ADDRESS.fullmatch(link) else [link]
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(link)
    assert dead == []


def test_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text('# A `b`, c\n[x](y.md#z) <img src="p.png"> `[no](link)`\n```\n[no](link)\n```\n![i](q.png)\n')
    assert links_of(page) == ["y.md#z", "p.png", "q.png"] and anchors_of(page) == ["a-b-c"]
