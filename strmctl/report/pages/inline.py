"""Charts as part of a page: SVG whose colours the page decides, so that they suit a light and a dark scheme."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from strmctl.report.charts.hues import DARK

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
PIXELS = 16 / 15  # of a page per point of a chart: text of 14 points has the size of the page's own
LEFT_OUT = ("metadata", "style")  # the page has a style of its own
NAME = re.compile(r"(?<=^#)\S+|(?<=url\(#)[^)]+")
LONG = re.compile(r"(\.\d\d)\d+")  # more than hundredths of a point


def palette() -> dict[str, tuple[str, str]]:
    """Variable of CSS -> its colour on a light and on a dark page, for every colour of a chart."""
    return {_variable(light): (light, dark) for light, dark in DARK.items()}


def pixels_of(svg: str) -> int:
    """Width of a chart on a page that has room for it."""
    return round(float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1]) * PIXELS)


def inline(svg: str, *, prefix: str, form: str, alt: str) -> str:
    """A chart as an element of a page.

    Args:
        svg: a chart as matplotlib writes it.
        prefix: what the names inside begin with: other charts of the page have the same.
        form: class of the element, besides `chart`.
        alt: what stands for it where it is not seen.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - ours, not anybody's
    for parent in list(root.iter()):
        for one in [one for one in parent if one.tag.removeprefix(SVG) in LEFT_OUT]:
            parent.remove(one)
    used = {name for one in root.iter() for value in one.attrib.values() for name in NAME.findall(value)}
    for one in root.iter():
        one.tag = one.tag.removeprefix(SVG)
        one.attrib = {
            name.replace(LINK, "href"): _value(name, value, prefix)
            for name, value in one.attrib.items()
            if name != "id" or value in used
        }
    root.attrib = {
        "class": f"chart {form}",
        "viewBox": root.attrib["viewBox"],
        "style": f"max-width: {pixels_of(svg)}px",
        "role": "img",
        "aria-label": alt,
    }
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def _value(name: str, value: str, prefix: str) -> str:
    """An attribute with its names prefixed, its colours as variables, and its numbers short."""
    if name == "id":
        return prefix + value
    if name in ("d", "x", "y"):
        return LONG.sub(r"\1", " ".join(value.split()))
    for light in DARK:
        value = value.replace(light, f"var({_variable(light)})")
    return NAME.sub(lambda found: prefix + found[0], value)


def _variable(colour: str) -> str:
    return f"--chart-{colour.removeprefix('#')}"
