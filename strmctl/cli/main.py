"""The command line: finds subcommands by name, and turns errors into messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import importlib
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import click

from strmctl import __version__
from strmctl.cli import console, streams
from strmctl.cli.advice import options_of, with_folders
from strmctl.cli.group import Group
from strmctl.errors import SAME_COMMAND, ExitCode, StrmctlError, did_you_mean
from strmctl.limits import what_helps
from strmctl.memory import keep_memory
from strmctl.threads import wait_briefly

RESUME = "what was saved last is kept: `strmctl train --resume` goes on from there"
EXAMPLES = "features of examples are kept; the same command labels all videos anew"
GOES_ON = {"train": RESUME, "bench": "", "classify": EXAMPLES}  # a bench begins anew
# in this order in --help
COMMANDS = (
    *("prepare", "data", "train", "eval", "compare", "classify", "viz", "ablate"),
    *("report", "runs", "import", "bench", "demo", "recipe"),
)
FILES = {"import": "import_released"}  # the others are `cli/commands/<name>.py`


class LazyGroup(Group):
    """Imports a subcommand when it is asked for, and reports errors the same way for all of them."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The subcommands, in the order of use."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Imports a subcommand."""
        if name not in COMMANDS:
            return None
        return importlib.import_module(f"strmctl.cli.commands.{FILES.get(name, name)}").command

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:
        """As in Click, with this project's exit codes; with `--json`, an error is a JSON document on stdout."""
        words = list(sys.argv[1:] if args is None else args)
        streams.prepare()
        wait_briefly()
        keep_memory()
        console.say_notes()
        try:
            result = super().main(args=words, standalone_mode=False, **extra)
        except (Exception, KeyboardInterrupt) as error:
            _fail(error, words)
        except SystemExit:  # how Click and rich end when nobody reads on
            if not streams.failure("stdout"):
                raise
        if streams.failure("stdout"):
            _fail(OSError(), words)
        sys.exit(result if isinstance(result, int) else ExitCode.DONE)


COMPLETION = """\b
Completion of commands, options, recipes, runs and data sets, in ~/.bashrc:
  eval "$(_STRMCTL_COMPLETE=bash_source strmctl)"
or with zsh_source in ~/.zshrc; in ~/.config/fish/completions/strmctl.fish:
  _STRMCTL_COMPLETE=fish_source strmctl | source"""


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=COMPLETION,
)
@click.version_option(__version__, prog_name="strmctl")
@click.option("--traceback", is_flag=True, help="Show the Python traceback of an error.")
def main(traceback: bool) -> None:
    """Few-shot action recognition with STRM: prepare videos, train, evaluate, look inside.

    \b
    Name your own videos, from a few examples of each class (extra `lite`):
      strmctl classify --examples my_actions new_clip.mp4
    See the whole pipeline, with nothing to download:
      strmctl demo
    Go from a data set to a number with its interval:
      strmctl prepare sprites && strmctl train --recipe sprites && strmctl eval

    Results go to stdout (with --json as one document), messages and progress to stderr.
    Exit codes: 0 done, 1 unexpected, 2 usage, 3 data missing or damaged, 4 recipe, 5 checkpoint, 130 interrupted.
    """


def _fail(error: BaseException, words: list[str]) -> NoReturn:
    if isinstance(error, click.exceptions.Exit):
        sys.exit(error.exit_code)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        _tell(error.format_message())
        sys.exit(ExitCode.USAGE)
    if "--traceback" in words:
        traceback.print_exception(error)
    message, hint, code = _describe(error)
    command = next((word for word in words if not word.startswith("-")), None)
    hint = hint.replace(SAME_COMMAND, GOES_ON.get(command, SAME_COMMAND))
    hint = with_folders(hint, words, partial(options_of, main))
    lost = streams.failure("stdout")
    if lost and isinstance(error, OSError) and error.filename is None:
        message, hint, code = f"the result cannot be printed on stdout: {lost}", "", ExitCode.UNEXPECTED
    if "--json" in words and not lost:
        with contextlib.suppress(OSError):
            console.print_json({"error": {"message": message, "hint": hint, "exit_code": int(code)}})
            sys.exit(code)
    _tell(f"error: {message}" + (f"\n  {hint}" if hint else ""))
    sys.exit(code)


def _tell(text: str) -> None:
    """Says why there is no result on stderr, or where that takes nothing, on stdout."""
    console.say(text)
    if streams.failure("stderr"):
        with contextlib.suppress(OSError):
            print(text, flush=True)


def _describe(error: BaseException) -> tuple[str, str, ExitCode]:
    """Message, hint and exit code of an error."""
    if isinstance(error, MemoryError) or (isinstance(error, ImportError) and "failed to map" in str(error)):
        error = OSError(errno.ENOMEM, "the memory is full")
    elif isinstance(error, RuntimeError) and "start new thread" in str(error):
        error = OSError(errno.EAGAIN, "no further thread can be started")
    if isinstance(error, StrmctlError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "strmctl"
        hint, message = f"see `{command} --help`", error.format_message()
        if isinstance(error, click.NoSuchOption) and error.ctx:
            options = [option for known in error.ctx.command.get_params(error.ctx) for option in known.opts]
            hint, message = f"{did_you_mean(options, error.option_name)}{hint}", error.message
        return message, hint, ExitCode.USAGE
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return "interrupted", SAME_COMMAND, ExitCode.INTERRUPTED
    if isinstance(error, OSError) and error.errno is not None:
        where = f": {error.filename}" if error.filename else ""
        hints = {errno.EROFS: "name a folder that can be written to"}
        hints[errno.EACCES] = "give this user the right to read it, or name a folder that can be written to"
        hints[errno.ENOSPC] = f"make room on that disk; {SAME_COMMAND}"
        return f"{error.strerror}{where}", hints.get(error.errno) or what_helps(error.errno), ExitCode.UNEXPECTED
    if isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding() != "utf-8":
        message = f"the name {error.object!r} cannot be written in {error.encoding}, the encoding of this locale"
        return message, "`PYTHONUTF8=1 strmctl …` writes names in UTF-8", ExitCode.UNEXPECTED
    hint = "this is a defect of strmctl; `strmctl --traceback …` shows where it happened"
    return f"{type(error).__name__}: {error}", hint, ExitCode.UNEXPECTED
