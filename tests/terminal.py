"""Commands on a terminal of a given width, and what such a terminal shows in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path

ESCAPE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[>=]")


def on_terminal(*words: str | Path, columns: int) -> tuple[int, str]:
    """Runs Python with these words on a terminal, such as `-m strmctl runs`.

    Returns:
        Its exit code, and all that it printed.
    """
    process, terminal = pty.fork()
    if process == 0:
        shell = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        shell |= {"TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[1])}
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.execve(sys.executable, [sys.executable, *map(str, words)], shell)  # noqa: S606
    printed = b""
    while part := _read(terminal):
        printed += part
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), printed.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other end was closed
        return b""


def screen(printed: str) -> list[str]:
    """The lines that a terminal shows at the end: text, line ends, moves upwards, cleared lines."""
    lines, row, place = [""], 0, 0
    while printed:
        if escape := ESCAPE.match(printed):
            count, what = escape[1], escape[2]
            row = max(0, row - int(count or 1)) if what == "A" else row
            if what == "K":
                lines[row] = "" if count == "2" else lines[row][:place]
            printed = printed[escape.end() :]
            continue
        sign, printed = printed[0], printed[1:]
        if sign == "\n":
            row, place = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif sign == "\r":
            place = 0
        else:
            lines[row] = lines[row][:place].ljust(place) + sign + lines[row][place + 1 :]
            place += 1
    return [line.rstrip() for line in lines]
