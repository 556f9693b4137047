"""The browser of the tests finds what is wrong with a page."""

import pytest

from tests.browser import check

BODY = "<h1>Title</h1>" + "<p>Words.</p>" * 12
DARK = "@media (prefers-color-scheme: dark) { body { color: #eee; background: #111 } }"
STYLE = f"body {{ color: #222; background: #fff }} {DARK}"
GOOD = f"<!DOCTYPE html><html lang='en'><title>Page</title><style>{STYLE}</style><body>{BODY}</body></html>"
TWO_PIXELS = "data:image/gif;base64,R0lGODdhAgACAIAAAP///wAAACwAAAAAAgACAAACAoRRADs="
BAD = {  # fault -> what of a good page becomes what
    "overflow": (BODY, f"{BODY}<p style='width: 450px'>x</p>"),
    "faint": ("color: #222", "color: #999"),
    "background": ("prefers-color-scheme: dark", "width: 1px"),
    "complaints": (BODY, f"{BODY}<script>console.error('no')</script>"),
    "complaints ": (BODY, f"{BODY}<script>throw 'no'</script>"),
    "requests": (BODY, f"{BODY}<img alt='x' src='http://127.0.0.1:9/x.png'>"),
    "images": (BODY, f"{BODY}<img alt='x' src='data:image/png;base64,aaaa'>"),
    "links": (BODY, f"{BODY}<a href='#nowhere'>x</a>"),
    "without a name": (BODY, f"{BODY}<img src='{TWO_PIXELS}'>"),
    "headings": (BODY, f"{BODY}<h3>x</h3>"),
    "headings ": ("h1>", "h2>"),
    "language": (" lang='en'", ""),
    "title": ("<title>Page</title>", ""),
    "empty": ("<p>Words.</p>", ""),
}


@pytest.fixture
def page(tmp_path):
    return tmp_path / "page.html"


@pytest.mark.parametrize("dark", [False, True])
def test_a_page_without_faults_passes(browser, page, dark):
    page.write_text(GOOD)
    assert check(browser, page, width=400, dark=dark)["texts"] == 13


@pytest.mark.parametrize("fault", BAD)
def test_each_fault_is_found_and_no_other(browser, page, fault):
    page.write_text(GOOD.replace(*BAD[fault]))
    with pytest.raises(AssertionError) as raised:
        check(browser, page, width=400, dark=fault == "background")
    others = {"requests": {"complaints", "images"}, "background": {"faint"}}.get(fault, set())
    assert fault.strip() in raised.value.args[0] and set(raised.value.args[0]) <= {fault.strip(), *others}
