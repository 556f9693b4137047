"""Tables that fit: no line is too long, and no word is broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strmctl.report.terminal.layout import GAP, blocks, fitted, in_lines

HEAD = ["shots", "accuracy, %", "over classes, %", "chance, %"]
ROWS = [["1", "71.1 ± 0.4", "66.24 to 75.94", "20"], ["5", "82.1 ± 0.3", "78.00 to 86.20", "20"]]
WORDS = st.lists(st.text("ab-±", min_size=1, max_size=9), max_size=5).map(" ".join)
TABLES = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=1, max_size=4))


def lines_of(table):
    """The lines that a fitted table takes."""
    rows = [[cell.split("\n") for cell in row] for row in table]
    widths = [max(len(line) for row in rows for line in row[i]) for i in range(len(rows[0]))]
    return sum(widths) + GAP * (len(widths) - 1)


def test_a_table_with_enough_room_stays_as_it_is():
    assert fitted(HEAD, ROWS, 80) == [HEAD, *ROWS]
    assert fitted(HEAD, ROWS, 51) == [HEAD, *ROWS]


def test_heads_break_first_and_numbers_never():
    table = fitted(HEAD, ROWS, 40)
    assert table[1] == ["1", "71.1 ± 0.4", "66.24 to\n75.94", "20"]
    assert table[0] == ["shots", "accuracy,\n%", "over\nclasses, %", "chance, %"]


def test_without_room_rows_are_blocks():
    assert fitted(HEAD, ROWS, 25) == []
    assert blocks(HEAD, ROWS[:1], 25) == [
        "shots            1",
        "accuracy, %      71.1 ± 0.4",
        "over classes, %  66.24 to",
        "                 75.94",
        "chance, %        20",
    ]
    assert blocks(HEAD, ROWS, 60)[4:6] == ["", "shots            5"]


@pytest.mark.parametrize(
    ("text", "lines"), [("", ""), ("a\nb", "a\nb"), ("one two", "one\ntwo"), ("long ± 3", "long ± 3")]
)
def test_lines_end_between_words(text, lines):
    assert in_lines(text, 4) == lines


@given(TABLES, st.integers(1, 60))
def test_whatever_the_table_no_line_is_too_long_and_no_word_is_lost(table, width):
    head, *rows = table
    found = fitted(head, rows, width)
    if found:
        assert lines_of(found) <= width
        assert [[cell.split() for cell in row] for row in found] == [[cell.split() for cell in row] for row in table]
    else:
        said = " ".join(blocks(head, rows, width)).split()
        assert sorted(said) == sorted(" ".join(" ".join(head + row) for row in rows).split())
