"""The form of what this tool has written, such as the content of a JSON file: checked when it is read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    None: "null",
}


def misfit(value: Any, form: Any, name: str = "") -> str:
    """The first place where a value has not the expected form, and what is wrong there; empty when it fits.

    Args:
        value: what was read.
        form: a type, where `float` is any finite number and `int` no truth value; None; a tuple of forms, any of which
            will do; a list with the form of every entry; or a dict from keys to their forms, in which other keys are
            allowed, and those that end with `?` may be missing.
        name: where the value stands, such as `validation.accuracy`.
    """
    if isinstance(form, tuple) and not all(misfit(value, one) for one in form):
        return ""
    if isinstance(form, list) and isinstance(value, list | tuple):
        return next(filter(None, (misfit(item, form[0], f"{name}[{i}]") for i, item in enumerate(value))), "")
    if isinstance(form, Mapping) and isinstance(value, Mapping):
        return next(filter(None, (_of_entry(value, key, inner, name) for key, inner in form.items())), "")
    return "" if _is(value, form) else f"{name or 'it'} is {value!r:.60}, not {_word(form)}"


def _of_entry(value: Mapping[str, Any], key: str, form: Any, name: str) -> str:
    own = key.removesuffix("?")
    where = f"{name}.{own}".removeprefix(".")
    if own in value:
        return misfit(value[own], form, where)
    return f"{where} is missing" if own == key else ""


def _is(value: Any, form: Any) -> bool:
    """Whether a value is of a type, or None."""
    if form is None:
        return value is None
    if form is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    return isinstance(form, type) and isinstance(value, form) and (form is bool or not isinstance(value, bool))


def _word(form: Any) -> str:
    if isinstance(form, tuple):
        return " or ".join(map(_word, form))
    return "a list" if isinstance(form, list) else "an object" if isinstance(form, Mapping) else WORDS[form]
