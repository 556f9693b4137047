"""The videos of a data set from the web: curl fetches an archive, bsdtar (libarchive) unpacks it.

curl writes into a pipe: so it ends with this process, and what lies on the disk is a beginning of the file at any
moment. Each try is a call of its own, for `--retry` would begin again where its first try began.
"""

from __future__ import annotations

import contextlib
import email
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from strmctl.datasets.names import is_left_out, readable
from strmctl.datasets.splits import class_key
from strmctl.disk import FULL, megabytes
from strmctl.errors import DataError, OutputError
from strmctl.paths import alone, files_below, names_in
from strmctl.progress import Progress, silent

PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before the next try; a try that brought bytes starts them anew
TIMEOUT = 60  # seconds that a connection may bring nothing, or less than 1 kB/s
BLOCK = 10**6  # bytes
NO_RANGE = 33  # exit code of curl: the server does not give the rest
FINAL = (0, 1, 3, 22, 47, 60)  # what another try does not mend, such as an HTTP error or a bad certificate
BUSY = ("408", "425", "429", "500", "502", "503", "504")  # HTTP errors that another try may mend
BY_HAND = "give another address with `--url`, or fetch the file by hand, unpack it and name its folder with `--videos`"
INSTALL = {
    "curl": "install it: `apt install curl` or `conda install curl`",
    "bsdtar": "install it: `apt install libarchive-tools` or `conda install libarchive`",
}
INNER = re.compile(r"(.*[^.].*)\.(rar|zip|tar|tar\.gz|tgz)", re.IGNORECASE | re.DOTALL)
DEPTH = 3  # archives within archives; one that holds itself would go on for ever
LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"  # names are UTF-8, messages are English


class ToFetch(NamedTuple):
    """What is still to be fetched.

    Attributes:
        url: address of the archive, `http://` or `https://`.
        archive: file that keeps it.
        videos: folder that it is unpacked into.
        checksum: `sha256:…` or `md5:…` that it must have; None where none can be cited.
        classes: keys of the class folders in it.
    """

    url: str
    archive: Path
    videos: Path
    checksum: str | None
    classes: Collection[str]

    def is_done(self) -> bool:
        """Whether the folder of the videos holds something."""
        return any(not is_left_out(name) for name in names_in(self.videos))


def fetch(wanted: ToFetch, *, progress: Progress = silent) -> list[str]:
    """Downloads and unpacks videos. Of several processes, one does it and the others wait, saying so.

    Args:
        wanted: what to fetch; the archive stays, so that nothing is fetched twice.
        progress: called with (megabytes done, megabytes in all or 0, note).

    Returns:
        Members of the archive that were left out, and why.

    Raises:
        DataError: a program is missing, or the archive cannot be fetched or unpacked.
        OutputError: the disk is too small.
        OSError: the disk is full, or a folder cannot be written; what was downloaded is kept.
    """
    _program("bsdtar")  # better said before the download than after it
    lock = wanted.videos.with_name(f".{wanted.videos.name}.lock")  # whichever address the archive comes from
    with alone(lock, waiting=f"another process fetches {wanted.videos}: waiting for it to end"):
        try:
            if wanted.is_done():  # another process was faster
                return []
            if not wanted.archive.is_file():
                wanted.archive.parent.mkdir(parents=True, exist_ok=True)
                try:
                    download(wanted.url, wanted.archive, checksum=wanted.checksum, progress=progress)
                except OSError as error:
                    error.filename = error.filename or str(wanted.archive)  # a full disk names no file
                    raise
            return unpack(wanted.archive, wanted.videos, classes=wanted.classes, progress=progress)
        finally:
            lock.unlink(missing_ok=True)


def download(
    url: str,
    target: Path,
    *,
    checksum: str | None = None,
    progress: Progress = silent,
    pauses: Sequence[float] = PAUSES,
    timeout: int = TIMEOUT,
) -> None:
    """Fetches a file; what has arrived lies in `<target>.part`, so that the next call goes on from there.

    Raises:
        DataError: curl is missing, or the file cannot be fetched or is not what it should be.
        OutputError, OSError: as `fetch`.
    """
    part, notes = (target.with_name(target.name + suffix) for suffix in (".part", ".part.headers"))
    tries, furthest = 0, _size(part)
    while reason := _receive(url, part, notes, progress, timeout):
        if _size(part) > furthest:
            tries, furthest = 0, _size(part)
        if tries == len(pauses):
            raise DataError(f"{url} cannot be fetched: {reason}", f"run it again later to go on, or {BY_HAND}")
        time.sleep(pauses[tries])
        tries += 1
    kind, _, expected = (checksum or "").partition(":")
    if kind and (found := _digest(part, kind)) != expected:
        part.unlink()
        message = f"{url} is not the file that it should be: {kind} {expected} expected, {found} found"
        raise DataError(message, f"the file was thrown away; {BY_HAND}")
    part.replace(target)
    notes.unlink()


def _receive(url: str, part: Path, notes: Path, progress: Progress, timeout: int) -> str:
    """Calls curl for all that is missing; returns why another try may go on from here, or "" for a whole file.

    `notes` holds the headers of the answer that the part began with.
    """
    known, dump = _headers(notes), notes.with_suffix(".new")
    etag = known["ETag"] or "W/"
    validator = known["Last-Modified"] if etag.startswith("W/") else etag
    if validator is None:  # nothing could tell whether the rest belongs to what is here
        part.unlink(missing_ok=True)
    if (offset := _size(part)) and known["Content-Length"] == str(offset):
        return ""
    words = ["--disable", "--silent", "--show-error", "--fail", "--location", "--globoff", "--proto", "=http,https"]
    words += ["--connect-timeout", f"{timeout}", "--speed-limit", "1000", "--speed-time", f"{timeout}"]
    words += ["--dump-header", f"{dump}", "--suppress-connect-headers", "--user-agent", "strmctl", url]
    if offset:
        words += ["--continue-at", f"{offset}", "--header", f"If-Range: {validator}"]
    dump.unlink(missing_ok=True)
    with _running(_program("curl"), *words) as curl:
        block = curl.stdout.read(BLOCK)
        answer = _headers(dump)
        is_good = answer["Status"] == ("206" if offset else "200")
        is_other = answer["Status"] == "416" or (offset and is_good and not _is_rest(answer, known))
        if is_other:
            curl.kill()
        elif is_good:
            if answer.get_content_type() == "text/html":
                raise DataError(f"{url} gives a web page, not an archive", BY_HAND)
            missing = int(answer["Content-Length"] or 0)
            _check_room(part.parent, missing, url)
            if not offset:
                dump.replace(notes)
            with part.open("ab") as file:
                while block:
                    file.write(block)
                    progress(_megabytes(file.tell()), _megabytes(missing and offset + missing), "")
                    block = curl.stdout.read(BLOCK)
        reason = curl.stderr.read().decode(errors="replace").strip() or f"the server answers {answer['Status']}"
    dump.unlink(missing_ok=True)
    if is_other or curl.returncode == NO_RANGE:
        part.unlink(missing_ok=True)
        return "the server does not give the rest of what is here"
    if is_good and not curl.returncode:
        return ""
    if curl.returncode in FINAL and answer["Status"] not in BUSY:
        raise DataError(f"{url} cannot be fetched: {reason}", BY_HAND)
    return reason


def _headers(dump: Path) -> Message:
    """The headers of the last answer that curl received, with its status code as `Status`; none without a file."""
    text = dump.read_text(encoding="latin-1").strip() if dump.is_file() else ""
    return email.message_from_string(re.sub(r"^HTTP/\S+ (\d+).*", r"Status: \1", text.rpartition("\n\n")[2]))


def _is_rest(answer: Message, known: Message) -> bool:
    """Whether an answer is a part of the file that is known; not every server heeds If-Range."""
    same = all(answer[name] in (None, known[name]) for name in ("ETag", "Last-Modified"))
    return same and answer["Content-Range"].rpartition("/")[2] in ("*", known["Content-Length"])


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def unpack(archive: Path, videos: Path, *, classes: Collection[str] = (), progress: Progress = silent) -> list[str]:
    """Unpacks an archive, and those in it, into a folder, which appears when all is there.

    An archive in it becomes a folder of its name. Folders around the class folders are left away, so that clips have
    the same names as in a folder that was unpacked by hand.

    Returns:
        Members that were left out, and why.

    Raises:
        DataError: bsdtar is missing, or the archive is damaged, encrypted or empty, or would write elsewhere.
        OutputError, OSError: as `fetch`; nothing is left of what was unpacked.
    """
    prefix = f".{videos.name}.unpacking-"
    videos.parent.mkdir(parents=True, exist_ok=True)
    for leftover in videos.parent.glob(f"{prefix}*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=videos.parent) as temporary:
        folder = Path(temporary, "videos")
        left_out: list[str] = []
        packed = {archive: folder}  # archive -> folder that it is unpacked into
        for _ in range(DEPTH + 1):
            for path, place in packed.items():
                _extract(path, place, archive, progress)
                for member in files_below(place):  # at once: the next archive must not write through a link
                    if member.is_symlink() or not member.is_file():
                        member.unlink()
                        name = readable(str(member.relative_to(folder)))
                        left_out.append(f"{name}: neither a file nor a folder")
                if path != archive:
                    path.unlink()
            packed = {path: place for path in sorted(files_below(folder)) if (place := _place(path))}
        left_out += [f"{readable(path.name)}: left packed: too many archives in archives" for path in packed]
        inside = _content(folder)
        while len(inside) == 1 and inside[0].is_dir() and class_key(inside[0].name) not in classes:
            folder = inside[0]
            inside = _content(folder)
        if not inside:
            raise DataError(f"{archive} cannot be unpacked: it is empty", BY_HAND)
        videos.mkdir(exist_ok=True)
        for hidden in videos.iterdir():  # such as .DS_Store; it stays
            hidden.rename(folder / hidden.name)
        folder.replace(videos)
    return left_out


def _content(folder: Path) -> list[Path]:
    """What lies in a folder, without what a system has put there."""
    return [folder / name for name in names_in(folder) if not is_left_out(name)]


def _place(path: Path) -> Path | None:
    """The folder that an inner archive is unpacked into; None when it is no archive or cannot have such a folder."""
    found = INNER.fullmatch(path.name)
    if not found or is_left_out(path.name) or not path.is_file() or path.with_name(found[1]).is_file():
        return None
    with _running(_program("bsdtar"), "-tf", f"{path.absolute()}") as bsdtar:
        names = os.fsdecode(bsdtar.communicate()[0]).splitlines()
    tops = {parts[:1] for name in names if not is_left_out("".join((parts := PurePosixPath(name).parts)[:1]))}
    # brush_hair.rar that holds brush_hair/ needs no brush_hair/brush_hair
    return path.parent if tops == {(found[1],)} else path.with_name(found[1])


def _extract(path: Path, folder: Path, archive: Path, progress: Progress) -> None:
    """Unpacks one archive. bsdtar refuses `..` and writes through no link; nothing that is there is replaced."""
    size = path.stat().st_size
    _check_room(folder.parent, size, path.name)  # videos hardly get smaller by being packed
    folder.mkdir(exist_ok=True)
    words = ("-xkm", "--no-same-owner", "--no-same-permissions", "--passphrase", "-", "-C", f"{folder}")
    with _running(_program("bsdtar"), "-f", f"{path.absolute()}", *words) as bsdtar:
        complaints, done = None, 0
        while complaints is None:
            progress(done, max(done, _megabytes(size)) + 1, f"unpacking {path.name}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                complaints = bsdtar.communicate(timeout=1)[1].decode(errors="replace")
            done = _megabytes(sum(_size(file) for file in files_below(folder)))
    for code in FULL:
        if os.strerror(code) in complaints:
            raise OSError(code, os.strerror(code), str(folder))
    if bsdtar.returncode:
        reason = next((line for line in complaints.splitlines() if "Removing leading" not in line), "bsdtar fails")
        reason = re.sub(r"^bsdtar: |: (Unknown error.*|Success|Undefined error.*)$", "", reason)
        where = "" if path == archive else f"{path.name}: "
        hint = "delete it and fetch it again, or unpack it by hand and name the folder with `--videos`"
        raise DataError(f"{archive} cannot be unpacked: {readable(where + reason)}", hint)


@contextlib.contextmanager
def _running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs while the block lasts."""
    pipe, environment = subprocess.PIPE, {**os.environ, "LC_ALL": LOCALE}
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _program(name: str) -> str:
    """Where a program is.

    Raises:
        DataError: it is not installed; names its package.
    """
    if path := shutil.which(name):
        return path
    tar = shutil.which("tar")  # on macOS and BSD, tar is bsdtar
    if name == "bsdtar" and tar and b"bsdtar" in subprocess.check_output([tar, "--version"]):
        return tar
    raise DataError(f"{name} is not installed", INSTALL[name])


def _check_room(folder: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        message = f"the disk of {folder} has {megabytes(free)} free; {what} needs {megabytes(needed)} more"
        raise OutputError(message, "make room, then the same command goes on")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _megabytes(size: int) -> int:
    return -(-size // 10**6)
