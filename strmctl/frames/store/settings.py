"""The settings of a frame store, `store.json`, and the command that makes the store again."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

from strmctl.datasets.catalogue import DATA_SETS, DataSet
from strmctl.datasets.splits import SUBSETS
from strmctl.errors import DataError
from strmctl.forms import misfit
from strmctl.paths import read_json, write_json
from strmctl.videos.extract import QUALITY

SCHEMA = 2
SETTINGS = "store.json"
FORM = {
    "dataset?": str,
    "display_name?": str,
    "title?": str,
    "size?": str,
    "quality?": int,
    "frames?": (int, str),
    "split?": (str, None),
    "classes?": {f"{subset}?": [str] for subset in SUBSETS},
    "opposites?": [[str]],
    "frames_from?": (str, None),
    "frames_pattern?": (str, None),
    "seed?": int,
    "generator_version?": int,
    "request?": {
        **dict.fromkeys(("folder?", "videos?", "annotations?", "list?", "split?", "frames-from?"), str),
        "flat?": bool,
    },
}
ASKED = ("videos", "annotations", "list", "split", "frames-from")  # options of `prepare` that name a folder or a file
DEFAULTS = {"quality": QUALITY, "frames": "all", "seed": 0}  # of `prepare`, for settings of the same name


def read_settings(folder: Path, mend: str = "") -> dict[str, Any]:
    """What `store.json` says; empty when there is none, and for a link in its place, which `prepare` replaces.

    Args:
        folder: folder of the store, or of a shard.
        mend: what to do when it is damaged; empty to prepare the store again.

    Raises:
        DataError: it is not what was written there.
    """
    path = folder / SETTINGS
    if not path.exists():
        return {}
    mend = mend or f"run `{prepare_command(folder, {})} --redo`"
    try:
        content = read_json(path, mend)
        if problem := misfit(content, FORM):
            raise DataError(f"{path} is not what was written there: {problem}", mend)
        if content.get("schema") != SCHEMA:
            raise DataError(f"{path} has schema {content.get('schema')!r}, and this strmctl reads {SCHEMA}", mend)
    except DataError:
        if path.is_symlink():
            return {}
        raise
    return content


def known_settings(folder: Path) -> dict[str, Any]:
    """What `store.json` says, for a hint; empty when it is missing or damaged."""
    with contextlib.suppress(DataError):
        return read_settings(folder)
    return {}


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Writes `store.json`."""
    write_json(folder / SETTINGS, {"schema": SCHEMA, **settings})


def prepare_command(folder: Path, settings: dict[str, Any]) -> str:
    """The command that makes or mends a store, with every option that differs from its default."""
    dataset, name, asked = settings.get("dataset", folder.name), folder.name, settings.get("request", {})
    known = DATA_SETS.get(dataset)
    defaults = {**DEFAULTS, "size": str(known.size if known else DataSet.size)}
    values = {
        "name": name if name != dataset or (known is None and "frames-from" not in asked) else None,
        "data": folder.parent if folder.parent != Path("data") else None,
        **{option: asked.get(option) for option in ASKED},
        "frames-pattern": settings.get("frames_pattern"),
        **{option: settings.get(option) for option, default in defaults.items() if settings.get(option) != default},
    }
    words = ["strmctl", "prepare", dataset if known or "frames-from" in asked else asked.get("folder", "FOLDER")]
    for option, value in values.items():
        words += [f"--{option}", str(value)] if value is not None else []
    return shlex.join([*words, "--flat"] if asked.get("flat") else words)
