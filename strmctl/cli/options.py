"""Options that several subcommands share, one decorator each."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from strmctl.paths import with_home
from strmctl.threads import use_threads


class HomePath(click.Path):
    """A path of any command, with `~` spelled out: `--data=~/x` reaches us as it is."""

    def __init__(self, **restrictions: bool) -> None:
        super().__init__(path_type=Path, **restrictions)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """As in Click."""
        return super().convert(with_home(os.fspath(value)), parameter, context)


class NameOrPath(click.types.StringParamType):
    """The name of something that we know, or a path, with `~` spelled out."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """As in Click."""
        return with_home(super().convert(value, parameter, context))


class Device(click.types.StringParamType):
    """The name of a device; whether there is such a one is seen when torch is needed."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """As in Click."""
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", value):
            self.fail(f"{value!r} is none of auto, cpu, cuda, cuda:N, mps", parameter, context)
        return value


FOLDER = HomePath()
FILE = HomePath(dir_okay=False)
NAME_OR_PATH = NameOrPath()

data_option = click.option(
    "--data",
    "data_dir",
    type=FOLDER,
    default=Path("data"),
    envvar="STRMCTL_DATA",
    show_default=True,
    show_envvar=True,
    help="Folder of the frame stores and of the original videos.",
)
runs_option = click.option(
    "--runs", type=FOLDER, default=Path("runs"), show_default=True, help="Folder of the training runs."
)
run_option = click.option("--run", "run_name", metavar="NAME", help="Run to use.  [default: the newest]")
device_option = click.option(
    "--device",
    type=Device(),
    metavar="auto|cpu|cuda|cuda:N|mps",
    default="auto",
    show_default=True,
    help="Where the model runs; auto takes an NVIDIA GPU when there is one.",
)


def _use_threads(context: click.Context, parameter: click.Parameter, count: int | None) -> int | None:
    use_threads(count)
    return count


threads_option = click.option(
    "--threads",
    expose_value=False,
    callback=_use_threads,
    type=click.IntRange(1),
    metavar="N",
    help="Threads that compute on the processor; 1 is best beside other busy processes.  [default: the free cores]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
set_option = click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change one recipe key, e.g. --set train.episodes=200. May be repeated.",
)


def byte_count(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """A callback that turns `2G` or `500M` into bytes.

    Raises:
        click.BadParameter: the text is not a size.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{text!r} is not a size such as 2G or 500M")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def comma_separated(kind: type):
    """A callback that turns `1,5,10` into `(1, 5, 10)`.

    Raises:
        click.BadParameter: an entry is empty or malformed.
    """

    def convert(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple | None:
        if text is None:
            return None
        parts = [part.strip() for part in text.split(",")]
        try:
            if "" in parts:
                raise ValueError
            return tuple(kind(part) for part in parts)
        except ValueError:
            what = {int: " of whole numbers", float: " of numbers"}.get(kind, "")
            raise click.BadParameter(f"{text!r} is not a comma-separated list{what}") from None

    return convert
