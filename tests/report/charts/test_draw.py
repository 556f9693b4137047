"""The figures of a report, read back from what is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.container import BarContainer, ErrorbarContainer

from strmctl.report.charts.hues import ACCENT, GROUND, HUES
from strmctl.report.charts.style import TICK
from tests.report.charts.charts_for_tests import draw_all
from tests.saved import entry, sample


def head(axes):
    return axes._left_title.get_text().replace("\n", " ")


def panel(figure, words):
    (found,) = [axes for axes in figure.axes if head(axes) == words]
    return found


def seed_dots(axes):
    """Small dots of a panel, or short bars where it has lines (n, 2)."""
    dots = [line for line in axes.lines if line.get_color() == GROUND or line.get_markersize() == TICK["markersize"]]
    return np.concatenate([line.get_xydata() for line in dots] or [np.empty((0, 2))])


def spans(axes, direction=1):
    """Ends of error bars, low and high."""
    bars = [bar for bar in axes.containers if isinstance(bar, ErrorbarContainer)]
    return np.array([segment[:, direction] for bar in bars for segment in bar[2][0].get_segments()])


def caption(figure):
    return figure.get_supxlabel().replace("\n", " ")


KINDS = ("components", "cardinality", "tuples", "shots", "training", "folds", "custom")


def only(kind, found, **more):
    """The figure of a document that holds one kind of grid."""
    return draw_all(sample(**{name: {} for name in KINDS} | {kind: found}, cost=None, **more))[kind]


@pytest.fixture(scope="module")
def figures():
    return draw_all(sample())


def test_a_figure_for_each_kind_and_none_for_what_is_absent(figures):
    others = ["components", "cardinality", "tuples", "shots", "training", "cost", "folds", "custom"]
    assert list(figures) == [*others, "runs"]
    nothing = {kind: {} for kind in KINDS} | {"custom": {"a": {}}, "training": {"TRM": {1000: {}}}}
    assert draw_all(sample(**nothing, cost=None, runs=[])) == {}


@pytest.mark.parametrize("shot", [1, 5])
def test_bars_start_at_0_and_say_means_seeds_and_intervals(figures, shot):
    axes = panel(figures["components"], f"Sample, {shot}-shot")
    entries = [by_shot[shot] for by_shot in sample().components.values()]
    means = [100 * found.accuracy for found in entries]
    bars = axes.patches
    assert axes.get_ylim()[0] == 0 and [bar.get_y() for bar in bars] == [0] * 5
    np.testing.assert_allclose([bar.get_height() for bar in bars], means)
    assert [text.get_text() for text in axes.texts] == [f"{mean:.1f}" for mean in means] + ["chance"]
    dots = seed_dots(axes)
    np.testing.assert_allclose(dots[:, 1], [100 * one for found in entries for one in found.per_seed])
    np.testing.assert_array_equal(np.rint(dots[:, 0]), np.repeat(range(5), 3))
    half = np.array([100 * found.ci95_seeds for found in entries])
    np.testing.assert_allclose(spans(axes), np.stack([means - half, means + half], axis=1))
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names[:4] == ["TRM", "TRM\n+PLE", "TRM\n+FLE", "TRM\n+PLE\n+FLE"]
    assert axes.get_ylabel() == "accuracy, %"


def test_intervals_are_over_episodes_where_there_is_one_seed():
    found = {"TRM": {1: entry(0.5, seeds=(0,))}, "STRM": {1: entry(0.6, seeds=(0,))}}
    figure = only("components", found)
    np.testing.assert_allclose(spans(panel(figure, "Sample, 1-shot")), [[49.6, 50.4], [59.6, 60.4]])
    assert "95 % intervals over test episodes" in caption(figure) and "Student" not in caption(figure)
    assert caption(figure).startswith("Sample (test): 5-way, 1-shot, 1 query")
    figure = only("components", found | {"TRM": {1: entry(0.5)}})
    assert "over training seeds by Student's t, of a single seed over test episodes" in caption(figure)


def test_labels_without_a_result_keep_their_place_and_a_single_seed_has_no_dot():
    figure = only("components", {"TRM": {}, "TRM+PLE": {}, "STRM": {1: entry(0.6, seeds=(0,))}})
    axes = panel(figure, "Sample, 1-shot")
    assert [label.get_text() for label in axes.get_xticklabels()][::2] == ["TRM", "STRM"]
    assert [bar.get_x() + bar.get_width() / 2 for bar in axes.patches] == [2]
    assert [text.get_text() for text in axes.texts].count("no\nresult") == 2 and len(seed_dots(axes)) == 0
    assert "one training seed each" in caption(figure) and "small dots" not in caption(figure)
    axes = panel(only("cardinality", {"2": {}, "3": {5: entry(0.6)}}), "Sample, 5-shot")
    assert [bar[0].get_xydata().tolist() for bar in axes.containers] == [[[60, 1]]] and len(seed_dots(axes)) == 3


def test_published_values_have_panels_of_their_own(figures):
    paper = sample().paper
    axes = panel(figures["components"], "published: SSv2, ResNet-50, 5-shot")
    assert [bar.get_height() for bar in axes.patches] == list(paper.figure6_left.values())
    assert all(bar.get_hatch() for bar in axes.patches)
    assert not any(bar.get_hatch() for ours in figures["components"].axes[:-1] for bar in ours.patches)
    axes = panel(figures["cardinality"], "published: SSv2, ResNet-50, 5-shot")
    np.testing.assert_array_equal(
        [line.get_xydata()[0] for line in axes.lines], [[value, row] for row, value in enumerate(paper.table2.ssv2)]
    )
    assert axes.get_yticklabels()[0].get_text() == "{1}"  # the paper does not say how many tuples
    assert axes.get_yticklabels()[4].get_text() == "{2,3}: 84 tuples"
    axes = panel(figures["tuples"], "published: SSv2, ResNet-50, 5-shot")
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[20, 65.4], [100, 68.1]], [[100, 64.6]]]
    for kind, figure in figures.items():
        published = [axes for axes in figure.axes if head(axes).startswith("published")]
        assert bool(published) == (kind in ("components", "cardinality", "tuples"))
        assert ("Published: Spatio-temporal" in caption(figure)) == bool(published)
        for axes in published:  # not one of ours, which all have error bars or small dots
            assert not [one for one in axes.containers if isinstance(one, ErrorbarContainer)]
            assert not [line for line in axes.lines if line.get_color() == GROUND]


def test_published_values_stand_beside_ours_alone():
    panels = only("components", {"STRM": {5: entry(0.6)}}).axes
    assert [bar.get_height() for bar in panels[-1].patches] == [68.1] and head(panels[-1]).startswith("published")
    for kind in ("components", "cardinality", "tuples"):
        grids = sample().grids | {kind: replace(sample().grids[kind], store="sprites")}
        figure = draw_all(sample(grids=grids))[kind]
        assert not [axes for axes in figure.axes if head(axes).startswith("published")]
        assert "Published" not in caption(figure)


def test_cardinality_says_how_many_tuples_each_set_has(figures):
    axes = panel(figures["cardinality"], "Sample, 5-shot")
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "{1}: 8 tuples" and names[-1] == "{2,3,4}: 154 tuples" and len(names) == 8
    means = [[100 * by_shot[5].accuracy, row] for row, by_shot in enumerate(sample().cardinality.values())]
    np.testing.assert_allclose([bar[0].get_xydata()[0] for bar in axes.containers], means)
    np.testing.assert_allclose(seed_dots(axes)[:3, 0], [79, 80, 81])
    assert {bar[0].get_color() for bar in axes.containers} == {ACCENT}  # they are all STRM's


def test_tuples_show_every_trial_at_its_share(figures):
    figure = figures["tuples"]
    axes = panel(figure, "Sample, 1-shot")
    strm, trx = [line for line in axes.lines if line.get_marker() in "o^"]
    np.testing.assert_allclose(strm.get_xydata(), [[20, 56], [60, 58], [100, 60]])
    np.testing.assert_allclose(trx.get_xydata(), [[100, 50]])
    assert strm.get_color() == ACCENT and trx.get_color() in HUES
    np.testing.assert_allclose(seed_dots(axes), [[20, 55], [20, 56], [20, 57], [60, 57], [60, 58], [60, 59]])
    assert "training seed 0 (n = 1)" in caption(figure) and "Trials per share: 1 to 3" in caption(figure)


def test_lines_over_shots_differ_in_marker_and_line(figures):
    figure, ours = figures["shots"], sample().shots
    (axes,) = figure.axes
    lines = [bar[0] for bar in axes.containers]
    assert len({line.get_marker() for line in lines}) == len({str(line.get_linestyle()) for line in lines}) == 3
    for line, by_shot in zip(lines, ours.values(), strict=True):
        np.testing.assert_allclose(line.get_xydata()[:, 1], [100 * found.accuracy for found in by_shot.values()])
        np.testing.assert_array_equal(line.get_xydata()[:, 0], [1, 2, 3, 4, 5, 10])
    dots = [100 * one for by_shot in ours.values() for found in by_shot.values() for one in found.per_seed]
    np.testing.assert_allclose(seed_dots(axes)[:, 1], dots)
    assert set(seed_dots(axes)[:, 0]) == {1, 2, 3, 4, 5, 10}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["TRM", "TRX", "STRM"]


def test_training_writes_the_gap_of_the_means(figures):
    figure = figures["training"]
    axes = panel(figure, "Sample, 1-shot")
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1,000", "4,000"]
    assert [(text.get_position()[0], text.get_text()) for text in axes.texts] == [(1000, "+10.0"), (4000, "+3.5")]
    assert "STRM − TRM" in caption(figure) and "No result yet of sample-4000-s2." in caption(figure)
    np.testing.assert_allclose(axes.containers[1][0].get_xydata(), [[1000, 60], [4000, 61.5]])


def test_cost_stacks_the_parts(figures):
    figure = figures["cost"]
    methods = [method.flops.episode for method in sample().cost.methods.values()]
    for axes, parts in zip(
        figure.axes, (["backbone", "PLE", "FLE", "TRM", "QC"], ["PLE", "FLE", "TRM", "QC"]), strict=True
    ):
        bars = [bar for container in axes.containers if isinstance(container, BarContainer) for bar in container]
        np.testing.assert_allclose(
            [bar.get_width() for bar in bars], [one[part] / 1e9 for one in methods for part in parts]
        )
        ends = [bar.get_x() + bar.get_width() for bar in bars][len(parts) - 1 :: len(parts)]
        np.testing.assert_allclose(ends, [sum(one[part] for part in parts) / 1e9 for one in methods])
        assert {f"{end:,.0f}" for end in ends} <= {text.get_text() for text in axes.texts}
    assert "PLE 384, FLE 480, TRM 960, QC 96" in [text.get_text() for text in figure.axes[1].texts]
    looks = {(bar.get_facecolor(), bar.get_hatch()) for bar in figure.axes[0].patches}
    assert len(looks) == 5 and all(len(set(colour[:3])) == 1 for colour, _ in looks)  # greys


def test_custom_rows_and_what_has_no_result(figures):
    axes = panel(figures["custom"], "Sample, 5-shot")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sample 1", "sample 2"]
    assert [bar[0].get_xydata().tolist() for bar in axes.containers] == [[[50, 0]]]
    np.testing.assert_allclose(seed_dots(axes)[:, 0], [49, 50, 51])
    assert "no result" in [text.get_text() for text in axes.texts]


def test_runs_have_a_row_each_and_say_their_test_where_they_differ():
    first = sample().runs[0]
    figure = draw_all(sample())["runs"]
    axes = panel(figure, "Sample, 5-shot")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["STRM"]
    assert [bar[0].get_xydata().tolist() for bar in axes.containers] == [[[80, 0]]]
    assert caption(figure).startswith("Sample (test), 5-way. 10,000 test episodes. Filled marks: mean over")
    other = replace(first, run="b", label="TRM", way=3, shots={1: entry(0.4)})
    figure = draw_all(sample(runs=[first, other]))["runs"]
    names = [label.get_text().replace("\n", " ") for label in panel(figure, "Sample, 1-shot").get_yticklabels()]
    assert names == ["STRM: Sample (test), 5-way", "TRM: Sample (test), 3-way"]
    assert "no result" in [text.get_text() for text in panel(figure, "Sample, 5-shot").texts]
    assert "runs" not in draw_all(sample(runs=[]))


def test_folds_show_every_class_and_the_interval_over_classes(figures):
    axes = panel(figures["folds"], "5-shot, Sample")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["TRM", "STRM"]
    np.testing.assert_allclose(spans(axes, 0), [[42.5, 58.5], [44.5, 60.5]])
    np.testing.assert_allclose(seed_dots(axes)[:9, 0], [34.5 + 4 * n for n in range(9)])
    assert {"50.5 ± 8.0", "52.5 ± 8.0"} <= {text.get_text() for text in axes.texts}
    assert "each tested in one of 3 folds" in caption(figures["folds"])


def test_captions_say_what_was_measured(figures):
    for kind, figure in figures.items():
        if kind not in ("cost", "runs"):
            words = caption(figure)
            shots = "1-, 2-, 3-, 4-, 5- and 10" if kind == "shots" else "1- and 5"
            assert words.startswith(f"Sample (test): 5-way, {shots}-shot, 1 query per class, 10,000 episodes, seed 0; ")
            assert ("short bars: one" if kind in ("shots", "training", "tuples") else "small dots: one") in words


def test_chance_is_drawn_inside_the_limits_only():
    low = only("cardinality", {"2": {1: entry(0.2, seeds=(0,))}})
    assert "chance" in [text.get_text() for text in low.axes[0].texts]
    assert [line.get_xdata()[0] for line in low.axes[0].lines if line.get_linestyle() == "--"] == [20]
    assert "chance" not in [text.get_text() for text in only("cardinality", {"2": {1: entry(0.9)}}).axes[0].texts]


def test_all_values_are_inside_the_limits_and_intervals_end_at_100(figures):
    figure = only("cardinality", {"2": {1: entry(seeds=(0, 1), each=[0.8, 1.0])}})
    np.testing.assert_allclose(spans(figure.axes[0], 0), [[0, 100]])
    for figure in figures.values():
        for axes in figure.axes:
            for x, y in [point for line in axes.lines for point in line.get_xydata()]:
                assert axes.get_xlim()[0] <= x <= axes.get_xlim()[1] or line_of_chance(axes, x)
                low, high = sorted(axes.get_ylim())
                assert low <= y <= high or line_of_chance(axes, y)


def line_of_chance(axes, value):
    """Lines across a panel go from 0 to 1 of it."""
    return value in (0, 1)
