"""Run folders: their names, their places, and which is the newest."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Callable
from pathlib import Path

from strmctl.errors import DataError, UsageError, did_you_mean
from strmctl.paths import names_in

MAPS = ".maps"  # folder below that of the runs, of what frozen backbones make of clips
EXAMPLES = ".examples"  # likewise, of what models make of the examples of `classify`
LATEST = "latest"  # link to the newest run
RECIPE = "recipe.yaml"
LONGEST_NAME = 200  # bytes; folders have names of up to 255


def run_folder(runs: Path, name: str | None, announce: Callable[[str], None] = lambda message: None) -> Path:
    """The folder of a named run, or of the newest run under its own name.

    Args:
        runs: folder of the runs.
        name: name of the run; None for the newest.
        announce: callable that receives a note where no link says which run is the newest.

    Raises:
        DataError: there is no such run; the message says how to make one.
    """
    folder = newest_run(runs, announce) if name in (None, LATEST) else runs / name
    if folder is not None and (folder / RECIPE).is_file():
        return folder
    if name is None:
        raise DataError(f"no run yet in {runs}", "run `strmctl demo`, or train: `strmctl train --recipe sprites`")
    if any(file.endswith(".pt") for file in names_in(folder or runs / LATEST)):
        raise DataError(
            f"run {name} in {runs} has no {RECIPE}", "bring it back, or train anew: `strmctl train --recipe sprites`"
        )
    found = run_names(runs)
    hint = (
        f"{did_you_mean(found, name)}runs here: {', '.join(found)}"
        if found
        else "run `strmctl demo`, or name the folder of the runs with `--runs`"
    )
    raise DataError(f"no run named {name!r} in {runs}", hint)


def run_names(runs: Path) -> list[str]:
    """Names of the runs in a folder."""
    return sorted(folder.name for folder in _folders(runs) if not folder.is_symlink())


def newest_run(runs: Path, announce: Callable[[str], None] = lambda message: None) -> Path | None:
    """The run that `runs/latest` points at, or else the one that was begun or resumed last; None without any.

    Args:
        runs: folder of the runs.
        announce: callable that receives a note where there is no such link.
    """
    link = runs / LATEST
    if link.is_symlink() and ((target := runs / link.readlink()) / RECIPE).is_file():
        return target
    newest = max(_folders(runs), key=lambda folder: ((folder / RECIPE).stat().st_mtime_ns, folder.name), default=None)
    if newest is not None:
        announce(
            f"note: {_no_link(link)}; of the runs in {runs}, {newest.name} was begun last: {_mended(link, newest)}"
        )
    return newest


def _folders(runs: Path) -> list[Path]:
    """Folders with a recipe, apart from a copy of the newest run that stands where the link should be."""
    return [runs / name for name in names_in(runs) if name != LATEST and os.path.isfile(runs / name / RECIPE)]  # noqa: PTH113


def _no_link(link: Path) -> str:
    if link.is_symlink():
        return f"{link} points at no run"
    return f"{link} is no link to the newest run" if link.exists() else f"there is no link {link}"


def _mended(link: Path, newest: Path) -> str:
    """The command that lets the link point at a run; what stands in its place is kept."""
    words = ["ln", "-sfn", newest.name, str(link)]
    aside = [] if link.is_symlink() or not link.exists() else ["mv", str(link), f"{link}.old"]
    return f"`{' && '.join(shlex.join(part) for part in (aside, words) if part)}` makes it one"


def point_latest(runs: Path, folder: Path, announce: Callable[[str], None] = lambda message: None) -> None:
    """Makes `runs/latest` point at a run folder; a folder or file of this name is left alone.

    Args:
        runs: folder of the runs.
        folder: folder of the run.
        announce: callable that receives a note where the link cannot be made.
    """
    link = runs / LATEST
    if link.exists() and not link.is_symlink():  # a copy that followed links, or a system without them
        announce(f"note: {_no_link(link)}, and is left alone: {_mended(link, folder)}")
        return
    temporary = runs / f".{LATEST}.{secrets.token_hex(4)}"
    try:
        temporary.symlink_to(folder.name, target_is_directory=True)
        temporary.replace(link)
    except OSError as error:
        announce(f"note: {link} cannot be made a link ({error.strerror}), so the newest run is the one begun last")
    finally:
        temporary.unlink(missing_ok=True)


def check_new(runs: Path, name: str, hint: str = "") -> None:
    """Makes sure that a run can have this name.

    Raises:
        UsageError: it cannot name a folder, or there is a run of this name; `hint` is the beginning of the advice.
    """
    check_name(name)
    if (runs / name).exists():
        raise UsageError(f"there is a run {name} in {runs} already", f"{hint}choose another `--name`")


def check_name(name: str) -> None:
    """Makes sure that a word can be the name of a run's folder.

    Raises:
        UsageError: it cannot.
    """
    if (
        name.strip() in ("", ".", "..", LATEST, MAPS, EXAMPLES)
        or Path(name).name != name
        or len(name.encode()) > LONGEST_NAME
    ):
        raise UsageError(f"{name!r} cannot name a run", "choose another `--name`")
