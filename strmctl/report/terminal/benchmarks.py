"""Measured speed as a table."""

from __future__ import annotations

from typing import Any

from strmctl.report.terminal.eval_tables import Table


def evaluation(found: dict[str, Any]) -> Table:
    """A row per quantity, a column per precision, of `strmctl bench eval`."""
    precisions = list(found["embed_ms_per_clip"])
    rows = [
        ("embedding, ms per clip", "embed_ms_per_clip", "{:.1f}"),
        ("matching, episodes per second", "match_episodes_per_second", "{:.1f}"),
        ("matching, share of the matrix-product rate", "match_share_of_matrix_product", "{:.2f}"),
        ("matrix product, GFLOP/s", "matrix_product_gflops", "{:.0f}"),
        ("ratio for 10,000 episodes over 2,857 clips", "ratio_10000_episodes_2857_clips", "{:.0f}"),
    ]
    return ["", *precisions], [
        [label, *(form.format(found[key][name]) for name in precisions)] for label, key, form in rows
    ]


def methods(found: dict[str, Any]) -> Table:
    """A row per method, of `strmctl bench methods`."""
    columns = ["method", "ms per training episode", "times as fast", "test episodes/s", "times as fast"]

    def ratio(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    return columns, [
        [
            name,
            "-" if own["training_seconds_per_episode"] is None else f"{1e3 * own['training_seconds_per_episode']:.0f}",
            ratio(own["training_times_as_fast"]),
            f"{own['test_episodes_per_second']:.0f}",
            ratio(own["test_times_as_fast"]),
        ]
        for name, own in found["methods"].items()
    ]


def threads(found: dict[str, Any]) -> Table:
    """A row per way to set threads up, a column per number of busy processes, of `strmctl bench threads`."""
    rates = found["steps_per_second"]
    single = rates["one thread"]
    loads = list(single)
    cells = {way: [f"{own[load]:.1f}  {own[load] / single[load]:.2f}" for load in loads] for way, own in rates.items()}
    return ["", *(f"beside {load} busy" for load in loads)], [[way, *row] for way, row in cells.items()]


def preparation(found: dict[str, Any]) -> Table:
    """A row per way to prepare the same videos, of `strmctl bench prepare`."""
    columns = ["", "seconds", "min to max", "clips/s", "frames/s", "bytes per frame", "times ffmpeg"]
    rows = []
    for way in found["ways"]:
        rows.append(
            [
                way["way"],
                f"{way['seconds']:.2f}",
                f"{way['seconds_min']:.2f} to {way['seconds_max']:.2f}",
                f"{way['clips_per_second']:.1f}",
                f"{way['frames_per_second']:.0f}",
                f"{way['bytes_per_stored_frame']:.0f}",
                "-" if way["ratio"] is None else f"{way['ratio']:.2f}",
            ]
        )
    return columns, rows


def embedding(found: dict[str, Any]) -> Table:
    """A row per precision and way, of `strmctl bench embed`."""
    columns = ["", "way", "clips/s", "system time, share", "matrix rate, share", "peak, MB"]
    return columns, [
        [
            way["dtype"],
            way["way"],
            f"{way['clips_per_second']:.1f}",
            f"{way['system_share']:.2f}",
            f"{way['matrix_share']:.2f}",
            f"{way['peak_bytes'] / 1e6:,.0f}",
        ]
        for way in found["ways"]
    ]


def classification(found: dict[str, Any]) -> Table:
    """A row per unit, a column per way, of `strmctl bench classify`."""
    names = {"clips_per_second": "clips/s", "video_seconds_per_second": "seconds of long video/s"}
    rows = [(label, found[unit], found["share"][unit]) for unit, label in names.items() if unit in found]
    return ["", *rows[0][1], "share"], [
        [label, *(f"{rate:.1f}" for rate in rates.values()), f"{share:.2f}"] for label, rates, share in rows
    ]


def training(found: dict[str, Any]) -> Table:
    """A row per way to train a recipe and precision, of `strmctl bench train`."""
    reserves = any(way["reserved_bytes"] for way in found["ways"])
    columns = ["train.memory", "train.dtype", "s/episode", "ms/frame", "hours", "peak, GiB"]
    columns += [*(["reserved, GiB"] if reserves else []), "times as fast", "share of memory"]

    def row(way: dict[str, Any]) -> list[str]:
        sizes = ["peak_bytes", *(["reserved_bytes"] if reserves else [])]
        cells = [(way["seconds_per_episode"], ".2f"), (way["ms_per_frame"], ".1f"), (way["hours"], ",.1f")]
        cells += [(way[size] and way[size] / 2**30, ".2f") for size in sizes]
        cells += [(way["times_as_fast"], ".2f"), (way["memory_ratio"], ".2f")]
        shown = ["-" if value is None else format(value, form) for value, form in cells]
        return [way["way"], way["dtype"], way["problem"] or shown[0], *shown[1:]]

    return columns, [row(way) for way in found["ways"]]
