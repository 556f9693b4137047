"""What a training will take, for people: `strmctl train --dry-run`."""

from __future__ import annotations

from typing import Any


def dry_run_table(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A row for each number that people ask for."""
    peak, maps = found["peak_bytes"], found["maps_bytes"]
    rows = [["clips", ", ".join(f"{subset} {count:,}" for subset, count in found["clips"].items())]]
    rows += [["episodes, optimizer steps", f"{found['episodes']:,}, {found['steps']:,}"]]
    rows += [["device", f"{found['device']}, threads: {found['threads']}"]]
    rows += [["ranks", f"{found['ranks']}"]] if found["ranks"] > 1 else []
    rows += [["seconds per episode", f"{found['seconds_per_episode']:.3g}"]]
    rows += [["time in all", _time(found["hours"])]]
    rows += [["of it, validation", _time(found["validation_hours"])]]
    rows += [["of it, maps of the frozen backbone", _time(found["maps_hours"])]] if maps else []
    rows += [["peak memory", f"{_gibibytes(peak)} of {_gibibytes(found['memory_bytes'])}"]] if peak is not None else []
    rows += [["disk for the run", _gibibytes(found["disk_bytes"])]]
    rows += [["disk for maps, shared by runs", _gibibytes(maps)]] if maps else []
    rows += [["free on the disk", _gibibytes(found["free_disk_bytes"])]]
    return ["", "here"], rows


def _time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{60 * hours:.1f} minutes" if hours >= 1 / 60 else f"{3600 * hours:.1f} seconds"


def _gibibytes(number: int) -> str:
    return f"{number / 2**30:,.2f} GiB" if number >= 2**26 else f"{number / 2**20:,.1f} MiB"
