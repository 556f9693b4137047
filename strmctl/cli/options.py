"""Options that several subcommands share, one decorator each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from strmctl.datasets.catalogue import DATA_SETS
from strmctl.errors import StrmctlError
from strmctl.model.methods.table import METHODS
from strmctl.paths import names_in, shipped, with_home
from strmctl.runs.folder import run_names
from strmctl.threads import LOADERS, use_loader_threads, use_threads

Names = Callable[[Path, Path], Iterable[str]]  # from the folders of data and of runs


class HomePath(click.Path):
    """A path of any command, with `~` spelled out: `--data=~/x` reaches us as it is."""

    def __init__(self, **restrictions: bool) -> None:
        super().__init__(path_type=Path, **restrictions)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """As in Click."""
        return super().convert(with_home(os.fspath(value)), parameter, context)


class Name(click.types.StringParamType):
    """The name of something that there is, which a shell can complete.

    Attributes:
        kinds: callables that list such names, from the folders of data and of runs that the command has.
        path: whether a path may stand in its place, with `~` spelled out.
        joined: whether several may be joined by commas.
    """

    def __init__(self, *kinds: Names, path: bool = False, joined: bool = False) -> None:
        self.kinds, self.path, self.joined = kinds, path, joined

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """As in Click."""
        word = super().convert(value, parameter, context)
        return with_home(word) if self.path else word

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin with what is typed, and where a path may stand, what the shell finds."""
        folders = [context.params.get(name) or Path(usual) for name, usual in (("data_dir", "data"), ("runs", "runs"))]
        before, comma, begin = incomplete.rpartition(",") if self.joined else ("", "", incomplete)
        names: set[str] = set()
        for kind in self.kinds:
            try:
                names.update(name for name in kind(*folders) if name.startswith(begin))
            except StrmctlError:  # a folder that cannot be read has no names
                continue
        files = [CompletionItem(incomplete, type="file")] if self.path else []
        return [CompletionItem(f"{before}{comma}{name}") for name in sorted(names)] + files


class Device(click.types.StringParamType):
    """The name of a device; whether there is such a one is seen when torch is needed."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """As in Click."""
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", value):
            self.fail(f"{value!r} is none of auto, cpu, cuda, cuda:N, mps", parameter, context)
        return value


FOLDER = HomePath()
FILE = HomePath(dir_okay=False)


def _recipes(data: Path, runs: Path) -> Iterator[str]:
    return (path.stem for path in shipped("recipes").glob("*.yaml"))


def _runs(data: Path, runs: Path) -> Iterable[str]:
    return run_names(runs)


def _grids(data: Path, runs: Path) -> Iterator[str]:
    return (name for name in names_in(runs) if (runs / name / "grid.json").is_file())


def _stores(data: Path, runs: Path) -> Iterator[str]:
    return (name for name in names_in(data) if (data / name / "manifest.csv").is_file())


RECIPE = Name(_recipes, path=True)
RUN = Name(_runs)
RUNS = Name(_runs, joined=True)
GRID_OR_RUN = Name(_grids, _runs)
STORE = Name(_stores)
DATA_SET = Name(lambda data, runs: DATA_SETS)
DATA_SET_OR_FOLDER = Name(lambda data, runs: DATA_SETS, path=True)
METHOD = Name(lambda data, runs: METHODS)
METHOD_LIST = Name(lambda data, runs: METHODS, joined=True)
WEIGHTS = Name(lambda data, runs: ("best", "last"), path=True)

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


def _use_loader_threads(context: click.Context, parameter: click.Parameter, count: int | None) -> int | None:
    use_loader_threads(count)
    return count


loader_threads_option = click.option(
    "--loader-threads",
    expose_value=False,
    callback=_use_loader_threads,
    type=click.IntRange(1),
    metavar="N",
    envvar=LOADERS,
    show_envvar=True,
    help="Threads of each process that read frames.  [default: its share of the free cores, 16 at most]",
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
