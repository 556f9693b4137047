import math

import pytest

from strmctl.forms import misfit

FORM = {
    "name": str,
    "count": (int, None),
    "share": float,
    "on?": bool,
    "inner": {"words": [str]},
    "any": dict,
}
FITTING = {"name": "x", "count": None, "share": 1, "inner": {"words": ["a"]}, "any": {}, "more": object()}


@pytest.mark.parametrize("change", [{}, {"count": 3}, {"share": -0.5}, {"on": True}, {"inner": {"words": []}}])
def test_what_fits(change):
    assert misfit(FITTING | change, FORM) == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": None}, "name is None, not a text"),
        ({"count": 1.5}, "count is 1.5, not a whole number or null"),
        ({"count": True}, "count is True, not a whole number or null"),
        ({"share": math.nan}, "share is nan, not a number"),
        ({"share": math.inf}, "share is inf, not a number"),
        ({"share": "1"}, "share is '1', not a number"),
        ({"on": 1}, "on is 1, not true or false"),
        ({"inner": []}, "inner is [], not an object"),
        ({"inner": {}}, "inner.words is missing"),
        ({"inner": {"words": "ab"}}, "inner.words is 'ab', not a list"),
        ({"inner": {"words": ["a", 2]}}, "inner.words[1] is 2, not a text"),
        ({"any": []}, "any is [], not an object"),
    ],
)
def test_what_does_not_fit_is_named(change, problem):
    assert misfit(FITTING | change, FORM) == problem


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_something_else_altogether(value):
    assert misfit(value, FORM) == f"it is {value!r}, not an object"
    without = {key: item for key, item in FITTING.items() if key != "share"}
    assert misfit(without, FORM) == "share is missing"
