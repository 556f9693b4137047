"""Tables of the documentation that are made from the tables of the tool itself, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from strmctl.model.backbones.table import BACKBONES, IMAGENET, TIMM, Entry
from strmctl.model.methods.table import METHODS, Key, Method

LENGTHS = (8, 16, 32)  # frames of a clip, for which a backbone's time steps are listed


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def methods() -> str:
    """Every method with what it does, where it is from and how near it is to that."""
    rows = [
        (f"[`{name}`](#{name})", entry.label, entry.summary, entry.source, entry.faithful)
        for name, entry in METHODS.items()
    ]
    return table(("`method`", "in tables", "what it does", "source", "how near"), rows)


def method_keys() -> str:
    """A section for every method, with the recipe keys that are its own."""
    return "\n\n".join(f"### {name}\n\n{_method(name, entry)}" for name, entry in METHODS.items())


def _method(name: str, entry: Method) -> str:
    text = f"{entry.label}: {entry.summary}. {entry.source}; {entry.faithful}."
    if not entry.keys:
        return text
    rows = [(f"`{name}.{key}`", f"`{own.default}`", _values(own), own.note) for key, own in entry.keys.items()]
    return f"{text}\n\n" + table(("key", "default", "values", "what it is, and where the default is from"), rows)


def _values(own: Key) -> str:
    if isinstance(own.kind, tuple):
        return ", ".join(f"`{word}`" for word in own.kind)
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    return " ".join([own.kind.__name__, *(f"{signs[name]} {bound:g}" for name, bound in own.limits.items())])


def backbones() -> str:
    """Every backbone with its width, the time steps of its maps, and its published weights."""
    rows = [_backbone(name, entry) for name, entry in BACKBONES.items()]
    rows.append((f"`{TIMM}NAME`", "its own", "as timm says", *("as many",) * len(LENGTHS), f"`{IMAGENET}`", "frames"))
    steps = (f"steps of {length} frames" for length in LENGTHS)
    columns = ("`backbone.name`", "channels D", "`input.crop`", *steps, "`backbone.weights`", "which saw")
    return table(columns, rows)


def _backbone(name: str, entry: Entry) -> tuple[str, ...]:
    steps = (str(entry.steps(length) or "not taken") for length in LENGTHS)
    words = ", ".join(f"`{word}`" for word in entry.weights) or "none"
    return f"`{name}`", str(entry.dim), str(entry.crop or "any"), *steps, words, entry.seen or "–"


GENERATED = {"methods": methods, "method keys": method_keys, "backbones": backbones}
