"""What pages generate from the tables of the tool: nothing is missing, and nobody writes a row by hand."""

import re

import pytest

from docs.hooks import GENERATED, MARK, with_generated
from strmctl.model.backbones.table import BACKBONES
from strmctl.model.methods.table import METHODS
from tests.docs.pages import DOCS, ROOT, text_of


def rows(page):
    """The cells of each row of each table of a page, without backticks and links."""
    lines = [line for line in text_of(ROOT / "docs" / page).splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", line.strip("| ")) for line in lines]
    return [[re.sub(r"\[?`([^`]+)`(\]\(.+?\))?", r"\1", cell.strip()) for cell in row] for row in cells]


def test_every_mark_is_known_and_everything_generated_is_shown():
    marks = [mark for page in DOCS for mark in MARK.findall(page.read_text(encoding="utf-8"))]
    assert sorted(marks) == sorted(GENERATED)
    with pytest.raises(KeyError):
        with_generated("<!-- generated: nothing of ours -->")


def test_the_methods_are_those_of_the_table():
    shown = {row[0]: row[1:] for row in rows("methods.md")}
    for name, method in METHODS.items():
        assert shown[name] == [method.label, method.summary, method.source, method.faithful]
        for key, own in method.keys.items():
            default, values, note = shown[f"{name}.{key}"]
            assert (default, note) == (str(own.default), own.note)
            assert (
                all(word in values for word in own.kind) if isinstance(own.kind, tuple) else own.kind.__name__ in values
            )


def test_the_backbones_are_those_of_the_table():
    shown = {row[0]: row for row in rows("backbones.md") if len(row) == 8}
    assert list(BACKBONES) == [name for name in shown if name in BACKBONES]
    for name, entry in BACKBONES.items():
        assert shown[name][1:4] == [str(entry.dim), str(entry.crop or "any"), str(entry.steps(8) or "not taken")]
        assert shown[name][6:] == [", ".join(entry.weights) or "none", entry.seen or "–"]
    assert shown["mvit_v2_s"][4:] == ["8", "not taken", "kinetics400", "16 frames of 224², 7.5 a second"]


def test_the_extras_are_those_of_the_package():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    extras = re.findall(
        r'^        "(\w+)": ', setup.partition("extras_require={")[2].partition("    },\n")[0], re.MULTILINE
    )
    assert len(extras) > 4 and set(extras) <= {row[0] for row in rows("start.md")}
