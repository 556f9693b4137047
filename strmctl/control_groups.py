"""The control groups that this process is in, which limit what containers and jobs may use of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Group(NamedTuple):
    """A control group.

    Attributes:
        folder: where the system shows its files.
        version: 1 or 2.
    """

    folder: Path
    version: int

    def words(self, *names: str) -> list[str]:
        """What stands in files of the group, such as `max 100000`, in words.

        Raises:
            OSError: there is no such file.
            UnicodeError: it is none of the system's.
        """
        return " ".join((self.folder / name).read_text(encoding="utf-8") for name in names).split()


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[Group]:
    """The groups of this process, and those above, that limit `cpu` or `memory`, in both versions.

    Args:
        controller: what is limited.
        root: folder that holds the system's `proc` and `sys`.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return
    for line in lines:  # such as `0::/user.slice` or `4:cpu,cpuacct:/`
        _, controllers, group = f"{line}::".split(":", 3)[:3]
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        for above in (top / group.lstrip("/"), *(top / group.lstrip("/")).parents):
            if not above.is_relative_to(top):
                break
            yield Group(above, 1 if controllers else 2)
