"""Unpacking an archive of videos, and the archives in it, without letting it write anywhere else.

libarchive's bsdtar decodes (rar, zip, tar, …) and writes no file: it checks the archive, then hands it over as a plain
tar stream, of which regular files are written here, under names that are checked here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from strmctl.disk import FULL
from strmctl.errors import DataError, OutputError
from strmctl.paths import alone
from strmctl.progress import Progress, silent

INNER = re.compile(r"(.+)\.(rar|zip|tar|tar\.gz|tgz)", re.IGNORECASE | re.DOTALL)
DEPTH = 3  # archives within archives; one that holds itself would go on for ever
BLOCK = 1 << 20  # bytes
INSTALL = "install it: `apt install libarchive-tools`, `brew install libarchive` or `conda install libarchive`"
# names are bytes to bsdtar in such a locale, unless they are UTF-16 in the archive
LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
# what a name can bring about that this system does not take, or that is there already
BAD_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


class Skipped(NamedTuple):
    """A member of an archive that was not unpacked.

    Attributes:
        name: as it stands in the archive, unprintable characters escaped.
        reason: in a few words.
    """

    name: str
    reason: str


def unpack(archive: Path, folder: Path, *, progress: Progress = silent) -> list[Skipped]:
    """Unpacks an archive into a folder, which appears when all is there.

    An archive in it is unpacked in its place, into a folder of its name, and deleted; when it holds a folder of that
    very name, the two become one.

    Args:
        archive: rar, zip, tar or whatever else bsdtar reads.
        folder: must not exist, or be empty.
        progress: is told (bytes done, bytes in all, name of the archive) for each archive.

    Returns:
        Members that were skipped: those that would be written elsewhere, links, devices, and names that occur twice.

    Raises:
        DataError: bsdtar is missing, the archive is damaged, encrypted or empty, or the folder holds something.
        OutputError: the disk is too small; nothing is left of what was unpacked.
        OSError: the folder cannot be written.
    """
    if shutil.which("bsdtar") is None:
        raise DataError(f"{archive} cannot be unpacked: bsdtar is not installed", INSTALL)
    if not archive.is_file():
        raise DataError(f"no archive {archive}")
    temporary = folder.with_name(f".{folder.name}.unpacking")
    lock = folder.with_name(f".{folder.name}.unpacking.lock")
    with alone(lock):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            hint = f"take what is there with `--videos {folder}`, or move it away first"
            raise DataError(f"{archive} is not unpacked: {folder} is not empty", hint)
        if temporary.exists():  # of a run that was killed
            shutil.rmtree(temporary)
        try:
            skipped = _unpack_all(archive, temporary, progress, 0)
            if folder.exists():
                folder.rmdir()
            temporary.rename(folder)
        except DataError as error:
            hint = "delete it and fetch it again, or unpack it by hand and name the folder with `--videos`"
            raise DataError(f"{archive} cannot be unpacked: {error}", hint) from error
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise OutputError(f"the disk of {folder.parent} is full", "make room, then run it again") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        lock.unlink(missing_ok=True)
    return skipped


def _unpack_all(archive: Path, folder: Path, progress: Progress, depth: int) -> list[Skipped]:
    """Unpacks an archive and those in it into a folder that is not there yet."""
    folder.mkdir(parents=True)
    skipped = _unpack_one(archive, folder, progress)
    inner = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names if _stem(name)]
    for path in sorted(inner):
        if depth == DEPTH:
            skipped.append(Skipped(_printable(path.relative_to(folder)), "left packed: too many archives in archives"))
            continue
        stem = _stem(path.name)
        unpacked = Path(tempfile.mkdtemp(prefix=".", dir=path.parent)) / stem
        skipped += [
            Skipped(f"{_printable(path.name)}: {name}", why)
            for name, why in _unpack_all(path, unpacked, progress, depth + 1)
        ]
        path.unlink()
        inside = unpacked / stem
        if inside.is_dir():  # brush_hair.rar holds brush_hair/: no brush_hair/brush_hair
            inside = inside.rename(unpacked.with_name(f"{stem}.inner"))
            skipped += _merge(inside, path.with_name(stem))
        skipped += _merge(unpacked, path.with_name(stem))
        shutil.rmtree(unpacked.parent)
    return skipped


def _stem(name: str) -> str:
    """What the folder of an inner archive is called; empty when it is no archive or has no such name."""
    found = INNER.fullmatch(name)
    return found[1] if found and found[1] not in (".", "..") else ""


def _merge(source: Path, target: Path) -> list[Skipped]:
    """Moves a folder to a place where there may be one; nothing that is there is replaced."""
    if not os.path.lexists(target):
        source.rename(target)
        return []
    if not (source.is_dir() and target.is_dir()):
        return [Skipped(_printable(target.name), "left out: there is another of that name")]
    return [entry for path in sorted(source.iterdir()) for entry in _merge(path, target / path.name)]


def _unpack_one(archive: Path, folder: Path, progress: Progress) -> list[Skipped]:
    total = _check(archive, progress)
    free = shutil.disk_usage(folder).free
    if total > free:
        message = f"{folder.parent} has {free / 1e9:.1f} GB free; {archive.name} unpacks to {total / 1e9:.1f} GB"
        raise OutputError(message, "make room, then run it again")
    skipped, done, members = [], 0, 0
    with (
        _bsdtar(archive, "-cf", "-", "--format", "gnutar", f"@{archive.absolute()}") as stream,
        tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as members_of,
    ):
        for member in members_of:
            members += 1
            members_of.members = []  # else it keeps them all
            if reason := _write_member(members_of, member, folder):
                skipped.append(Skipped(_printable(member.name), reason))
            done += member.size
            progress(done, max(done, total), archive.name)
        while stream.read(BLOCK):  # the padding at the end
            pass
    if not members:
        raise DataError(f"{archive.name}: it is empty")
    return skipped


def _check(archive: Path, progress: Progress) -> int:
    """Reads all of an archive, which the tar stream does not do as strictly; bytes that it unpacks to."""
    total = 0
    progress(0, 0, f"checking {archive.name}")
    with _bsdtar(archive, "--passphrase", "-", "-xOf", str(archive.absolute())) as stream:
        while block := stream.read(BLOCK):
            total += len(block)
            progress(total, 0, f"checking {archive.name}")
    return total


@contextlib.contextmanager
def _bsdtar(archive: Path, *arguments: str) -> Iterator[IO[bytes]]:
    """The output of bsdtar.

    Raises:
        DataError: it fails; with the first line of what it says.
    """
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            ["bsdtar", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            env={**os.environ, "LC_ALL": LOCALE},
            start_new_session=True,  # no terminal that it could ask for a password
        )
        broken = None
        try:
            yield process.stdout
        except tarfile.TarError as error:
            broken = error
        except BaseException:
            process.kill()
            raise
        finally:
            process.stdout.close()
            process.wait()
        if process.returncode or broken:
            messages.seek(0)
            said = messages.read().decode(errors="replace").splitlines()
            lines = [line for line in said if "Removing leading" not in line] or [str(broken)]
            reason = re.sub(r"^bsdtar: |: (Unknown error.*|Success|Undefined error.*)$", "", lines[0])
            raise DataError(f"{archive.name}: {reason}") from broken


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> str:
    """Writes a file or a folder; otherwise the reason why not."""
    name = PurePosixPath(member.name)
    if reason := _objection(member, name):
        return reason
    path = folder.joinpath(*name.parts)
    try:
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:  # never through or over what is there
                shutil.copyfileobj(archive.extractfile(member), file, BLOCK)
    except ValueError:
        return "its name holds a zero byte"
    except OSError as error:
        if error.errno not in BAD_NAME:
            raise
        return "there is another of that name" if error.errno == errno.EEXIST else f"its name: {error.strerror}"
    return ""


def _objection(member: tarfile.TarInfo, name: PurePosixPath) -> str:
    if name.is_absolute():
        return "its name is absolute"
    # on Windows, a drive or a backslash has a meaning too
    if any(part == ".." or Path(part).name != part for part in name.parts):
        return "its name leads elsewhere"
    if not (member.isfile() or member.isdir()):
        return "a link" if member.issym() or member.islnk() else "neither a file nor a folder"
    return ""


def _printable(name: str | Path) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(name))
