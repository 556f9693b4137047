"""Provenance of a result: code, library versions, machine and command, recorded beside every number."""

from __future__ import annotations

import functools
import hashlib
import importlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strmctl import __version__
from strmctl.paths import PACKAGE

MODULES = {"opencv": "cv2"}  # of libraries that are imported under another name
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "pandas", "opencv")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@functools.cache
def code_sha256(*parts: str) -> str:
    """SHA-256 of Python files of the package.

    Args:
        parts: paths of folders and files below the package, such as `model` and `episodes/clip_loader.py`.
    """
    files = sorted(
        path for part in parts for path in [PACKAGE / part, *(PACKAGE / part).rglob("*.py")] if path.is_file()
    )
    return hashlib.sha256("".join(f"{path.name} {sha256_of(path)}\n" for path in files).encode()).hexdigest()


def provenance(*, libraries: Sequence[str] = (), **inputs: Any) -> dict[str, Any]:
    """What made a result: this code, this machine, and `inputs` such as hashes of weights and data.

    Args:
        libraries: libraries besides the usual ones whose versions count.
        inputs: further entries.
    """
    commit, dirty = _commit()
    return {
        "strmctl": __version__,
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "libraries": versions(*LIBRARIES, *libraries),
        "platform": platform.platform(),
        "command": shlex.join(["strmctl", *sys.argv[1:]]),
        **inputs,
    }


@functools.cache
def version(library: str) -> str | None:
    """Version of a library as its module tells it, whatever package it came with; None where there is none."""
    try:
        return getattr(importlib.import_module(MODULES.get(library, library)), "__version__", None)
    except Exception:  # missing or broken: what needs it says so, and says more
        return None


def versions(*libraries: str) -> dict[str, str | None]:
    """Versions of libraries, by name."""
    return {library: version(library) for library in libraries}


@functools.cache
def _commit() -> tuple[str | None, bool | None]:
    """Commit of the source tree and whether it has changes; None for an installed wheel."""
    if not (PACKAGE.parent / ".git").exists():
        return None, None
    try:
        commit = _git("rev-parse", "HEAD").strip()
        return commit, bool(_git("status", "--porcelain").strip())
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(PACKAGE.parent), *words], check=True, capture_output=True, text=True, timeout=20
    ).stdout
