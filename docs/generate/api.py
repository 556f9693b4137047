"""The Python interface: each public name, described by mkdocstrings from its docstring."""

from __future__ import annotations

import strmctl


def python_interface() -> str:
    """A section for every name."""
    return "\n\n".join(f"::: strmctl.{name}" for name in strmctl.__all__)


GENERATED = {"Python interface": python_interface}
