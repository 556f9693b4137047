"""The files of a report: what is written, that odd labels survive, and that the page needs nothing else."""

import base64
import csv
import io
import json
import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from strmctl.report.drawing import OnPage, Rendered, svg_text
from strmctl.report.pages.page import page
from strmctl.report.pages.sections import HEADINGS, introduction, sections
from strmctl.report.pages.write import write_report
from strmctl.report.tables.formats import csv_table, latex_table, latex_text, markdown_table, markdown_text
from strmctl.report.tables.grids import tables
from tests.browser import check
from tests.parsed_page import Page
from tests.saved import entry, sample

HOSTILE = r"a&b_c%d<script>|$x^2${e}~#\end"
ROW = [HOSTILE, "40.0 ± 0.4", "39.0, 40.0, 41.0 (1.0)", "50.0 ± 0.4", "49.0, 50.0, 51.0 (1.0)", "3"]


def hostile():
    grids = sample().grids
    grids["custom"] = replace(grids["custom"], name=HOSTILE)
    return sample(custom={HOSTILE: {1: entry(0.4), 5: entry(0.5)}}, title=HOSTILE, grids=grids)


def custom(document):
    return next(table for table in tables(document) if table.name == "custom")


@pytest.fixture(scope="module")
def figures():
    drawn = {}
    for name in ("components", "cost", "other"):
        drawn[name] = Figure(figsize=(1, 1))
        drawn[name].add_artist(Circle((0.5, 0.5), 0.1, hatch="//"))
    svg = {name: svg_text(figure) for name, figure in drawn.items()}
    return {name: Rendered(one, b"", OnPage(one, one, HOSTILE)) for name, one in svg.items()} | {
        "other": Rendered(svg["other"], b"")
    }


def page_of(document, pictures=None):
    return page(document, tables(document), pictures or {})


def test_the_files_are_twice_the_same_bytes_and_others_stay(tmp_path, figures):
    (tmp_path / "notes.txt").write_text("mine")
    written = write_report(sample(), tmp_path, figures)
    before = {path: path.read_bytes() for path in written}
    names = {path.name for path in written}
    assert names == {path.name for path in tmp_path.iterdir()} - {"notes.txt"}
    assert written[0].name == "index.html" and {"report.md", "report.json", "cost.svg", "other.svg"} <= names
    assert {f"{table.name}.{kind}" for table in tables(sample()) for kind in ("csv", "tex")} <= names
    assert json.loads((tmp_path / "report.json").read_text()) == sample().to_json()
    assert b"<dc:date>" not in before[tmp_path / "cost.svg"]
    grids = {kind: grid for kind, grid in sample().grids.items() if kind != "shots"}
    write_report(sample(shots={}, grids=grids), tmp_path, {})
    assert (tmp_path / "notes.txt").read_text() == "mine" and (tmp_path / "shots.csv").exists()
    write_report(sample(), tmp_path, figures)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("document", [sample(), hostile()], ids=["sample", "hostile"])
def test_csv_parses_back_to_the_exact_values_and_latex_is_balanced(document):
    for table in tables(document):
        names, *rows = csv.reader(io.StringIO(csv_table(table)))
        assert names == table.csv_columns
        for row, expected in zip(rows, table.csv_rows, strict=True):
            for cell, value in zip(row, expected, strict=True):
                assert (None if cell == "" and value is None else type(value)(cell)) == value, table.name
        text = re.sub(r"\\[&%$#_{}]", "", latex_table(table))
        assert text.count("{") == text.count("}") and text.count("$") % 2 == 0, table.name
        body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(lines) == 1 + len(table.rows)
        assert {line.count("&") for line in lines} == {len(table.columns) - 1}
        assert text.isascii(), table.name


def test_hostile_labels_in_markdown_and_latex():
    rendered = MarkdownIt("commonmark").enable("table").render("\n".join(markdown_table(custom(hostile()))))
    assert Page(rendered).rows[1:] == [ROW]
    line = markdown_table(custom(hostile()))[2]
    assert not re.search(r"(?<!\\)[<_$&~]", line)  # GitHub reads formulas and struck-out text, too
    assert markdown_text("two\nlines\x00\udcff") == "two lines ?"
    text = latex_table(custom(hostile()))
    label = r"a\&b\_c\%d\textless{}script\textgreater{}\textbar{}\$x\textasciicircum{}2\$\{e\}\textasciitilde{}\#"
    assert f"{label}\\textbackslash{{}}end & 40.0 $\\pm$ 0.4 & " in text
    assert r"\label{tab:custom}" in text and text.count(r"\caption{") == 1
    assert latex_text("[x] – 2 × --seeds") == r"{[}x{]} \textendash{} 2 $\times$ -{}-seeds"


@pytest.mark.parametrize("kind", ["components", "cost", "training", "confusion", "table1", "published", "runs"])
def test_a_missing_kind_leaves_its_part_out(kind, tmp_path):
    assert any(tag.get("id") == kind for tag in Page(page_of(sample())).having("section"))
    grids = {name: grid for name, grid in sample().grids.items() if name != kind}
    nothing = {"cost": None, "table1": None, "confusion": [], "published": [], "runs": []}
    document = sample(**{kind: nothing.get(kind, {})}, grids=grids)
    assert not any(tag.get("id") == kind for tag in Page(page_of(document)).having("section"))
    write_report(document, tmp_path, {})
    text = (tmp_path / "report.md").read_text()
    assert not list(tmp_path.glob(f"{kind}*")) and f"({kind}" not in text and f"\n{kind}: " not in text


ORDER = [
    *("findings", "components", "cardinality", "tuples", "shots", "training", "folds", "custom", "runs", "curves"),
    *("confusion", "attention", "cost", "table1", "published"),
]


def test_findings_come_first_then_what_was_found_here_and_published_numbers_last(tmp_path, figures):
    drawn = dict.fromkeys(("attention_1", "cost", "curves", "confusion_2", "confusion_1"), figures["other"])
    found = Page(page_of(sample(), drawn))
    assert [tag["id"] for tag in found.having("section")] == [*ORDER, "provenance"]
    links = [tag["href"][1:] for tag in found.having("a") if tag["href"].startswith("#")]
    assert links == [*ORDER, "provenance"]
    assert [parts.key for parts in sections(tables(sample()), drawn)] == ORDER
    write_report(sample(), tmp_path, drawn)
    text = (tmp_path / "report.md").read_text()
    assert re.findall("^## (.*)", text, re.MULTILINE) == [*(HEADINGS[key] for key in ORDER), "Provenance", "Commands"]
    assert text.splitlines()[2] == "## Findings", "the first thing below the title"
    content = json.loads((tmp_path / "report.json").read_text())
    assert [key for key in content if key in ORDER] == [key for key in ORDER if key in content]
    assert list(content)[:3] == ["schema", "title", "claims"]


def test_what_a_reader_must_know_follows_from_what_is_there():
    whole = introduction(sample(), tables(sample()))
    assert "PLE" in whole and "The paper is “Spatio" in whole and "14 of 15 runs have a result" in whole
    grids = {"custom": sample().grids["custom"]}
    alone = sample(**{kind: {} for kind in ORDER[1:7]}, table1=None, published=[], cost=None, runs=[], grids=grids)
    assert introduction(replace(alone, confusion=[]), tables(replace(alone, confusion=[]))) == ""
    assert introduction(alone, []) == "No results yet."


def test_a_page_of_nothing_says_so():
    assert "No results yet." in page(sample(), [], {})


def test_the_page_loads_nothing_and_holds_all(figures):
    text = page_of(hostile(), figures)
    found = Page(text)
    assert ROW in found.rows and f"Report: {HOSTILE}" in found.text
    assert not found.having("script") and found.open == [] and "default-src 'none'" in text
    assert not re.search(r"https?:|url\([^#]|@import|<link|<script|<iframe", text)
    for _, attributes in found.tags:
        for name in ("src", "href"):
            assert re.match(r"data:|#", attributes.get(name) or "#")
    (image,) = found.having("img")
    assert base64.b64decode(image["src"].partition("base64,")[2]).decode() == figures["other"].svg and image["alt"]
    charts = [tag for tag in found.having("svg") if tag["role"] == "img"]
    assert [tag["class"] for tag in charts] == ["chart wide", "chart narrow"] * 2
    assert all(tag["aria-label"].startswith("Figure: ") for tag in charts) and HOSTILE in found.text
    names = [tag["id"] for _, tag in found.tags if "id" in tag]
    assert len(set(names)) == len(names)
    targets = {tag["href"][1:] for tag in found.having("a") if tag["href"].startswith("#")}
    assert targets == {tag["id"] for tag in found.having("section")}
    saved = {tag["download"]: tag["href"] for tag in found.having("a") if "download" in tag}
    for table in tables(hostile()):
        assert table.columns in found.rows and all(row in found.rows for row in table.rows), table.name
        for kind, make in (("csv", csv_table), ("tex", latex_table)):
            content = saved[f"{table.name}.{kind}"].partition("base64,")[2]
            assert base64.b64decode(content).decode() == make(table)


def test_published_columns_are_marked_and_ours_are_not():
    text = page_of(sample())
    heads = re.findall(r'<th scope="col" class="(\w+)">(.*?)</th>', text)
    assert all((kind == "published") == ("paper" in words) == ("published" in words) for kind, words in heads)
    assert '<td class="published">68.1</td>' in text and '<td class="published">58.0' not in text


def test_tinted_columns_are_explained_where_there_are_any():
    words = "Tinted columns"
    own = [table for table in tables(sample()) if not table.published]
    assert words in page_of(sample()) and words not in page(sample(), own, {})


def test_markdown_shows_the_same_as_the_page(tmp_path, figures):
    write_report(hostile(), tmp_path, figures)
    text = (tmp_path / "report.md").read_text()
    found = Page(MarkdownIt("commonmark").enable("table").render(text))
    assert f"Report: {HOSTILE}" in found.text
    for table in tables(hostile()):
        assert table.columns in found.rows and all(row in found.rows for row in table.rows), table.name
        assert f"({table.name}.csv)" in text
    assert {image["src"] for image in found.having("img")} == {f"{name}.png" for name in figures}
    for grid in hostile().grids.values():
        assert f"\n    {grid.commands[0]}\n" in text


def test_names_that_are_no_text_are_written(tmp_path):
    write_report(sample(custom={"bad\udcff": {1: entry(0.4)}}), tmp_path, {})
    for name in ("index.html", "report.json", "custom.csv"):
        assert "bad?" in (tmp_path / name).read_text()


@pytest.mark.parametrize(("width", "dark"), [(width, dark) for width in (1280, 400) for dark in (False, True)])
def test_the_page_looks_right_in_a_browser(browser, tmp_path, figures, width, dark):
    write_report(hostile(), tmp_path, figures)
    assert check(browser, tmp_path / "index.html", width=width, dark=dark)["images"] == 1
