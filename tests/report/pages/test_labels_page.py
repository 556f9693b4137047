"""The page of `classify`: what it shows of made-up labels, as text and in a real browser."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from strmctl.report.pages.labels_page import Answer, Labels, LongVideo, Picture, Stretch, labels_page
from tests.browser import check
from tests.parsed_page import Page

ODD = [
    "plain.mp4",
    "<script>alert(1)</script>.mp4",
    "\"quoted\" & 'single'.mp4",
    "Käse 走 \U0001f98a.mp4",
    "no text \udcff\udc80.mp4",
    "line\nbreak\x00\x1b[31m\u202egpj.mp4",
    "</figcaption></svg>]]>{{ 7 * 7 }}{% raw %}.mp4",
    f"{'x' * 300}.mp4",
    " ".join(["many"] * 60),
]
SHARES = (0.6, 0.25, 0.08, 0.04, 0.02, 0.009, 0.001)
SETTINGS = [(width, dark) for width in (1280, 400) for dark in (False, True)]


def picture(frames=8):
    columns = min(4, frames)
    grey = np.full((-(-frames // columns) * 112, columns * 112, 3), 90, np.uint8)
    return Picture(cv2.imencode(".jpg", grey)[1].tobytes(), frames, columns, 112)


def document(names=tuple(ODD), **changes):
    """Seven classes of the names' first seven, each with two examples; a video of each name; all kinds of answers."""
    classes = {name: [f"{name}/{number}.mp4" for number in range(2)] for name in names[:7]}
    clips = [clip for own in classes.values() for clip in own]
    answers = []
    for position, name in enumerate(names):
        ranked = [*classes][position % 7 :] + [*classes][: position % 7]
        shares = dict(zip(ranked, SHARES, strict=True))
        kind = Answer(name, ranked[0], shares, False, clips[position], picture(position + 1), (), "")
        answers.append(kind)
    answers[1] = replace(answers[1], answer="none of these", refused=True)
    answers[2] = replace(answers[2], answer="", shares={}, nearest="", picture=None, reason=f"cannot be read: {ODD[1]}")
    answers[3] = replace(answers[3], picture=None, nearest=clips[-1], notes=["two remarks", ODD[1]])
    stretches = [
        Stretch(2.5 * step, 2.5 * step + 1.25, names[step % 3], 0.5, clips[step], picture(4)) for step in range(9)
    ]
    stretches[1] = replace(stretches[1], picture=None)
    found = Labels(
        facts={"Examples": f"14 in {names[1]}", "Model": "a network"},
        sentences=["A sentence.", "Another one."],
        classes=classes,
        unreadable={"a/broken.mp4": f"cannot be read: {ODD[1]}"},
        pictures={clip: picture() for clip in clips[:-1]},
        answers=answers,
        timelines=[
            LongVideo(names[0], 25.0, stretches, ["a remark"], ""),
            LongVideo(names[1], 7300.0, [], [], ""),
            LongVideo(names[2], 0.0, [], [], "cannot be read"),
        ],
        confusion=[[3 * (row == column) for column in range(7)] for row in range(7)],
        top=5,
        provenance={"strmctl": "0", "commit": None, "dirty": False, "libraries": {"torch": "2"}, "command": names[1]},
    )
    return replace(found, **changes)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(labels_page(document()), encoding="utf-8")
    return path


def readable(name):
    return " ".join(
        "".join(sign if sign.isprintable() else " " for sign in name.encode("utf-8", "replace").decode()).split()
    )


def test_odd_names_are_text_everywhere_and_nothing_is_loaded(page):
    text = page.read_text(encoding="utf-8")
    found = Page(text)
    assert found.open == [] and not found.having("script") and "default-src 'none'" in text
    assert not re.search(r"https?:|url\(|@import|<link|<script|<iframe", text)
    for name in ODD:
        assert found.text.count(readable(name)) >= 2, name
    for _, attributes in found.tags:
        assert re.match(r"data:image/jpeg;base64,|#", attributes.get("href") or "#")
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_each_example_is_in_the_page_once_however_often_it_is_the_nearest():
    answers = [replace(document().answers[0], nearest="plain.mp4/0.mp4", picture=None)] * 50
    text = labels_page(document(answers=answers, timelines=[]))
    assert text.count("data:image/jpeg") == 13 and text.count('<use href="#f1"/>') == 51


def test_answers_are_counted_and_reasons_are_shown(page):
    found = Page(page.read_text(encoding="utf-8"))
    assert "none of these 1" in " ".join(found.text.split()) and "cannot be read 1" in " ".join(found.text.split())
    assert found.text.count(f"cannot be read: {ODD[1]}") == 3  # in the table, beside the video, and of the example
    assert "two remarks" in found.text and "2 others" in found.text
    assert "None of the classes in 2:01:40.0." in found.text


@pytest.mark.parametrize("kind", ["nothing held out", "no videos", "no long videos", "one class shown"])
def test_parts_that_are_missing_leave_no_trace(kind):
    changes = {
        "nothing held out": {"confusion": None},
        "no videos": {"answers": []},
        "no long videos": {"timelines": []},
        "one class shown": {"top": 1},
    }[kind]
    found = Page(labels_page(document(**changes)))
    sections = {section["id"] for section in found.having("section")}
    links = {link["href"][1:] for link in found.having("a")}
    gone = {"nothing held out": "held-out", "no videos": "videos", "no long videos": "long"}.get(kind)
    assert sections == {"long", "videos", "examples", "held-out", "provenance"} - {gone} and sections <= links
    assert ("6 others" in found.text) == (kind == "one class shown")


@pytest.mark.parametrize("duration", [0.3, 1, 7.9, 61, 599, 3600, 36000, 400000])
def test_a_timeline_has_a_few_round_times(duration):
    ticks = LongVideo("a", duration, [], [], "").ticks
    assert 1 <= len(ticks) <= 7 and ticks[0] == 0 and ticks[-1] <= duration
    assert duration < 2 or len(ticks) > 2


@pytest.mark.parametrize(("width", "dark"), SETTINGS)
def test_it_looks_right_in_a_browser(browser, page, width, dark):
    found = check(browser, page, width=width, dark=dark)
    shown = document()
    pictures = [one for one in shown.answers if one.picture] + [
        one for one in shown.timelines[0].stretches if one.picture
    ]
    assert found["images"] == len(pictures) + len(shown.pictures)
    stretches = [one for lane in shown.timelines[0].lanes.values() for one in lane]
    expected = [(one.start / 25, (one.end - one.start) / 25) for one in stretches]
    expected += [(0, share) for answer in shown.answers for share in [*answer.shares.values()][:5]]
    for bar, (start, share) in zip(found["bars"], expected, strict=True):
        assert bar["start"] == pytest.approx(start, abs=2 / bar["pixels"])
        assert bar["share"] == pytest.approx(share, abs=2 / bar["pixels"])
        assert bar["contrast"] >= 3 and bar["pixels"] > 150


def test_the_keyboard_reaches_links_lists_and_tables_and_shows_where_it_is(browser, page):
    check(browser, page, width=400, dark=False)
    browser.run("document.body.focus()")
    seen = []
    for _ in range(40):
        browser.press("Tab")
        active = "(([one, style]) => [one.tagName, style.outlineStyle, parseFloat(style.outlineWidth)])"
        seen.append(tuple(browser.run(f"{active}([document.activeElement, getComputedStyle(document.activeElement)])")))
    assert {name for name, _, _ in seen} >= {"A", "SUMMARY", "DIV"}
    assert all(style != "none" and pixels >= 1 for name, style, pixels in seen if name != "BODY"), seen
