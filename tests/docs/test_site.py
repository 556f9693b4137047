"""The site that `make docs` builds: every page, strictly, with nothing fetched from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

import strmctl
from strmctl import yaml
from strmctl.model.methods.table import METHODS
from tests.docs.pages import ROOT

pytest.importorskip("mkdocs", reason="MkDocs is not installed: `pip install -e '.[docs]'`")
pytestmark = pytest.mark.slow
FETCHED = {  # tag -> attribute with the address of what a browser fetches by itself
    **dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed", "input", "track"), "src"),
    **{"link": "href", "object": "data", "form": "action"},
}
ELSEWHERE = re.compile(r"(?:[a-z]+:)?//", re.IGNORECASE)


class Fetched(HTMLParser):
    """The addresses elsewhere of what a page fetches by itself, as scripts and pictures."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        address = dict(attrs).get(FETCHED.get(tag, ""), "") or ""
        self.found += [address] if ELSEWHERE.match(address) else []


def from_elsewhere(css):
    """The addresses elsewhere that a style sheet, or one within a page, fetches."""
    return re.findall(r"@import\s+[\"'](?:[a-z]+:)?//[^\"']+|url\(\s*[\"']?(?:https?:)?//[^)]+\)", css)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr  # a warning is an error
    return folder


def text_of(page):
    return page.read_text(encoding="utf-8")


def test_every_page_is_built_and_tells_what_is_generated(site):
    for name in (ROOT / "docs").glob("*.md"):
        assert (site / f"{name.stem}.html").is_file(), name
    assert [name for name in METHODS if f'id="{name}"' not in text_of(site / "methods.html")] == []
    interface = text_of(site / "api.html")
    for name in strmctl.__all__:
        first = getattr(strmctl, name).__doc__.partition("\n")[0].partition("`")[0].partition("'")[0].strip()
        assert f'id="strmctl.{name}"' in interface and first in interface, name
    assert "render(Path(" in re.sub(r"<[^>]+>", "", text_of(site / "first_steps.html"))
    assert not [path for path in site.rglob("*") if path.suffix in (".ipynb", ".pyc") or path.name == "hooks.py"]


def test_no_page_fetches_anything_from_elsewhere(site):
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 20
    found = {page.relative_to(site): from_elsewhere(text_of(page)) + Fetched(text_of(page)).found for page in pages}
    assert {page: addresses for page, addresses in found.items() if addresses} == {}


@pytest.mark.parametrize(
    "html",
    [
        '<link rel="stylesheet" href="https://fonts.googleapis.com/css?family=Roboto">',
        '<script src="//cdn.example.org/x.js"></script>',
        '<img alt="" src="HTTP://example.org/x.png">',
    ],
)
def test_what_is_fetched_is_found(html):
    assert len(Fetched(html).found) == 1 and Fetched('<a href="https://example.org">x</a><img src="x.png">').found == []


def test_imports_of_style_sheets_are_found():
    for css in (
        '@import "https://example.org/x.css";',
        "@import url(//example.org/x)",
        "a{background:url('http://x/y')}",
    ):
        assert len(from_elsewhere(css)) == 1
    assert from_elsewhere("@import 'x.css'; a { background: url(data:image/svg+xml,http://www.w3.org) }") == []


def test_a_browser_fetches_nothing_from_elsewhere(site, browser):
    for name in ("index.html", "commands.html", "reports/real/readme.html"):
        found = browser.show(site / name, width=400, dark=True)
        assert browser.requests and [url for url in browser.requests if not url.startswith("file:")] == []
        assert found["failedImages"] == [] and browser.run("document.documentElement.scrollWidth") <= 400, name


def test_the_workflow_calls_what_runs_here():
    jobs = yaml.load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    steps = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert ".ci/run" in steps["test"] and "make docs" in steps["docs"]
    assert all(step["uses"].partition("@")[2] for job in jobs.values() for step in job["steps"] if "uses" in step)
