"""Matching lists of a few lines."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from strmctl.datasets.lists import ListMatch, match_list

KINETICS = {
    "air drumming/--nQbRBEz2s_000104_000114.mp4": "air drumming",
    "air drumming/-VtLx-4LXI0_000112_000122.mp4": "air drumming",
    "busking/I3__52Xh7oU_000001_000011.mp4": "busking",
    "busking/Zz3456789_-.mkv": "busking",
}


def match(
    tmp_path: Path,
    found: Mapping[str, str],
    *lines: str,
    classes: Iterable[str] = (),
    annotated: Mapping[str, str] | None = None,
) -> ListMatch:
    """What a list of these lines chooses."""
    path = tmp_path / "list.txt"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return match_list(found, path, classes, annotated or {})
