"""The commands that pages show, and whether a test runs them."""

import re
import shlex
from typing import NamedTuple

from tests.docs.pages import ROOT, SHOWN, name_of, text_of

BLOCK = re.compile(r"^(?:<!-- not run: ([^\n]+) -->\n)?```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOOLS = ("strmctl", "torchrun", "srun", "make", "pip", "python", "eval")
COMMAND = re.compile(rf"^(?:\$ )?((?:{'|'.join(TOOLS)}) .*)$", re.MULTILINE)


class Shown(NamedTuple):
    """A command line of a page.

    Attributes:
        page: the page.
        line: the line.
        needs: why no test runs it; empty where one does.
    """

    page: str
    line: str
    needs: str

    def parts(self):
        """The words of each of its commands, without comments and what comes after `>`."""
        line = re.sub(r" > .*", "", self.line)
        return [shlex.split(part, comments=True) for part in line.split(" && ")]


def shown():
    """All commands, page by page; those in a block of text, such as one with its output, are not run."""
    found = []
    for page in SHOWN:
        for needs, language, block in BLOCK.findall(text_of(page)):
            if language not in ("", "text"):
                continue
            lines = [line for line in COMMAND.findall(block) if "[OPTIONS]" not in line]
            assert lines or language, (page, block)
            reason = needs or ("it is shown with its output" if language else "")
            found += [Shown(name_of(page), line, reason) for line in lines]
    return found


MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")
