"""Splits that are drawn: shares, counts, and the same classes on any machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strmctl import yaml
from strmctl.datasets.draw_split import LEAST, Shares, draw_split, parse_shares, split_text
from strmctl.datasets.splits import load_split
from strmctl.errors import UsageError

TEN = [f"class {number}" for number in range(10)]


def test_shares():
    assert parse_shares("60/20/20") == Shares(60, 20, 20) and parse_shares("64/0/36") == Shares(64, 0, 36)
    assert parse_shares("mine.yaml") is parse_shares("60") is parse_shares("60/20/20.yaml") is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("60/20/30", "55/18/27"),
        ("80/20", "80/0/20"),
        ("0.6/0.2/0.2", "60/20/20"),
        ("60:20:20", "60/20/20"),
        ("3/1/1", "60/20/20"),
        ("0/50/50", "60/20/20"),
        ("50/50/0", "60/20/20"),
        ("40/20/20/20", "60/20/20"),
        ("33.3/33.3/33.4", "33/33/34"),
    ],
)
def test_shares_that_do_not_add_up_are_told_what_would(text, meant):
    with pytest.raises(UsageError, match="add up to 100") as caught:
        parse_shares(text)
    assert caught.value.hint == f"for example `--split {meant}`"
    assert parse_shares(meant)


def test_the_draw_is_the_same_everywhere():
    drawn = draw_split(TEN, Shares(60, 20, 20), seed=0)
    assert drawn == {
        "train": ["class 2", "class 3", "class 4", "class 6", "class 8", "class 9"],
        "val": ["class 1", "class 7"],
        "test": ["class 0", "class 5"],
    }
    assert draw_split(reversed(TEN), Shares(60, 20, 20), seed=0) == drawn
    assert draw_split([*TEN, "Class_3"], Shares(60, 20, 20), seed=0)["val"] == drawn["val"]  # another spelling
    assert draw_split(TEN, Shares(60, 20, 20), seed=1) != drawn


@given(st.integers(4, 60), st.integers(1, 98), st.integers(0, 97), st.integers(0, 9))
def test_every_class_stands_once_and_shares_are_kept(count, train, val, seed):
    val = min(val, 99 - train)
    shares, names = Shares(train, val, 100 - train - val), [f"c{number}" for number in range(count)]
    if count < LEAST * sum(share > 0 for share in shares):
        with pytest.raises(UsageError, match="too few"):
            draw_split(names, shares, seed=seed)
        return
    drawn = draw_split(names, shares, seed=seed)
    assert sorted(name for subset in drawn.values() for name in subset) == sorted(names)
    for share, subset in zip(shares, drawn.values(), strict=True):
        assert len(subset) >= LEAST if share else not subset
        assert abs(len(subset) - count * share / 100) < 1 or min(map(len, drawn.values())) <= LEAST


def test_a_drawn_split_is_a_split_file(tmp_path):
    drawn = draw_split([*TEN, "no", "1"], Shares(60, 20, 20), seed=3)
    (tmp_path / "x.yaml").write_text(split_text("x", drawn, "drawn"))
    split = load_split(tmp_path / "x.yaml")
    assert {subset: split.classes(subset) for subset in drawn} == drawn and split.source == "drawn"
    assert yaml.load(tmp_path / "x.yaml")["name"] == "x"
