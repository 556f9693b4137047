"""A file from the web: resumed after a break, checked by its length and checksum, in place only when it is whole."""

from __future__ import annotations

import contextlib
import email.message
import hashlib
import http.client
import json
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from strmctl.disk import FULL
from strmctl.errors import DataError, OutputError, UsageError
from strmctl.paths import alone, write_json
from strmctl.progress import Progress, silent

PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before the next try; one that brought bytes starts them anew
TIMEOUT = 60.0  # seconds that a connection may be silent
BLOCK = 1 << 20  # bytes
HEX_DIGITS = {"md5": 32, "sha256": 64}
TRY_AGAIN = (408, 425, 429)  # and all of 500 and above
BY_HAND = "give another address with `--url`, or fetch the file by hand, unpack it and name its folder with `--videos`"


class _BrokenError(Exception):
    """The connection broke or the server is busy: another try may go on from here."""


class _ChangedError(Exception):
    """What is there does not belong to the file that the server has now: start over."""


def download(
    url: str,
    target: Path,
    *,
    checksum: str | None = None,
    progress: Progress = silent,
    pauses: Sequence[float] = PAUSES,
    sleep: Callable[[float], None] = time.sleep,
    timeout: float = TIMEOUT,
) -> Path:
    """Fetches a file; a file that is already there is taken as it is, without a request.

    What has arrived lies in `<target>.part` until it is whole, so that the next call goes on from there.

    Args:
        url: `http://` or `https://`.
        target: where the file goes.
        checksum: `sha256:…` or `md5:…` that it must have.
        progress: is told (bytes done, bytes in all or 0, note).
        pauses: seconds to wait before each further try when a connection brings nothing.
        sleep: waits that long.
        timeout: seconds that a connection may be silent.

    Returns:
        `target`.

    Raises:
        UsageError: an address or a checksum of another kind.
        DataError: it cannot be fetched, or is not the file that it should be.
        OutputError: the disk is full; what has arrived is kept.
        OSError: the folder cannot be written.
    """
    kind, digits = _parse_checksum(checksum)
    if urlsplit(url).scheme.lower() not in ("http", "https"):
        hint = "a file that is here already is unpacked by hand; then name its folder with `--videos`"
        raise UsageError(f"{url!r} is not an http:// or https:// address", hint)
    if target.is_file():
        return target
    lock = _beside(target, ".part.lock")
    with alone(lock):
        if not target.is_file():  # else another process was faster
            part = _Part.of(url, target)
            _fetch(part, progress, pauses, sleep, timeout)
            if kind:
                _check(part, kind, digits, progress)
            part.path.replace(target)
            part.notes.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    return target


@dataclass
class _Part:
    """What has arrived, and what is known about the file on the server: `known` is a small JSON beside it."""

    url: str
    path: Path
    notes: Path
    known: dict[str, Any]

    @classmethod
    def of(cls, url: str, target: Path) -> _Part:
        part = cls(url, _beside(target, ".part"), _beside(target, ".part.json"), {})
        with contextlib.suppress(FileNotFoundError, ValueError):
            known = json.loads(part.notes.read_text(encoding="utf-8"))
            part.known = known if isinstance(known, dict) and known.get("url") == url else {}
        if part.validator is None or part.size > (part.length or part.size):
            part.forget()
        return part

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def length(self) -> int | None:
        """Bytes of the whole file, as the server said."""
        return self.known.get("length")

    @property
    def validator(self) -> str | None:
        """What If-Range may carry: a strong ETag, or the time of the last change."""
        tag = self.known.get("etag")
        return tag if tag and not tag.startswith("W/") else self.known.get("last_modified")

    def forget(self) -> None:
        """Starts with nothing."""
        self.path.unlink(missing_ok=True)  # first: notes of a new file must never stand beside bytes of the old
        self.notes.unlink(missing_ok=True)
        self.known = {}

    def start(self, headers: email.message.Message) -> None:
        """Starts with nothing of a file that the server has described."""
        self.forget()
        length = headers["Content-Length"]
        self.known = {
            "url": self.url,
            "etag": headers["ETag"],
            "last_modified": headers["Last-Modified"],
            "length": int(length) if length else None,
        }
        write_json(self.notes, self.known)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def _fetch(
    part: _Part, progress: Progress, pauses: Sequence[float], sleep: Callable[[float], None], timeout: float
) -> None:
    tries, furthest = 0, part.size
    while part.length is None or part.size != part.length or not part.path.is_file():
        try:
            _receive(part, progress, timeout)
            return
        except _ChangedError:
            part.forget()
            reason = "the file on the server keeps changing"
        except _BrokenError as error:
            reason = str(error)
        if part.size > furthest:
            tries, furthest = 0, part.size
        if tries == len(pauses):
            raise DataError(f"{part.url} cannot be fetched: {reason}", f"run it again later to go on, or {BY_HAND}")
        progress(part.size, part.length or 0, f"{reason}; trying again")
        sleep(pauses[tries])
        tries += 1


def _receive(part: _Part, progress: Progress, timeout: float) -> None:
    """One connection: all that is missing, or an exception that says whether another try makes sense."""
    if part.validator is None:  # nothing tells whether a rest would belong to what is here
        part.forget()
    offset = part.size
    headers = {"User-Agent": "strmctl", "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": part.validator}
    request = urllib.request.Request(part.url, headers=headers)  # noqa: S310 - the scheme is checked
    with _network(part.url):
        response = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310
    with response:
        if response.status == 206:
            _check_range(part, response.headers, offset)
        elif response.headers.get_content_type() == "text/html":
            raise DataError(f"{part.url} gives a web page, not an archive", BY_HAND)
        else:
            part.start(response.headers)
        _check_space(part)
        _append(part, response, progress)
    if part.length is not None and part.size != part.length:
        raise _BrokenError(f"{part.size} of {part.length} bytes arrived")


@contextlib.contextmanager
def _network(url: str) -> Iterator[None]:
    """What may go wrong between the server and here becomes our errors."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # asks for bytes beyond the end: it is another file
            raise _ChangedError from error
        reason = f"the server answers {error.code} {error.reason}"
        if error.code in TRY_AGAIN or error.code >= 500:
            raise _BrokenError(reason) from error
        raise DataError(f"{url} cannot be fetched: {reason}", BY_HAND) from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)  # of a URLError, what lies below
        if isinstance(cause, ssl.SSLCertVerificationError):
            message = f"{url} cannot be fetched: its certificate is not valid ({cause.verify_message})"
            raise DataError(message, BY_HAND) from error
        raise _BrokenError(f"the connection broke ({cause or type(cause).__name__})") from error


def _check_range(part: _Part, headers: email.message.Message, offset: int) -> None:
    """Whether the rest is what follows on the bytes that are here; not every server heeds If-Range."""
    first, _, length = (headers["Content-Range"] or "").removeprefix("bytes ").partition("/")
    same = first.startswith(f"{offset}-") and length in ("*", str(part.length))
    for name, header in (("etag", "ETag"), ("last_modified", "Last-Modified")):
        same = same and headers[header] in (None, part.known.get(name))
    if not same:
        raise _ChangedError


def _check_space(part: _Part) -> None:
    missing, free = (part.length or 0) - part.size, shutil.disk_usage(part.path.parent).free
    if missing > free:
        raise OutputError(
            f"{part.path.parent} has {free / 1e9:.1f} GB free; {part.url} needs {missing / 1e9:.1f} GB more",
            "make room, then the same command goes on",
        )


def _append(part: _Part, response: http.client.HTTPResponse, progress: Progress) -> None:
    done, total = part.size, part.length or 0
    with part.path.open("ab", buffering=0) as file:  # what is in the file is a beginning of it at any moment
        progress(done, total, "")
        while block := _read(part.url, response):
            try:
                _write(file, block)
            except OSError as error:
                if error.errno not in FULL:
                    raise OutputError(f"{part.path} cannot be written: {error.strerror}") from error
                message = f"the disk of {part.path.parent} is full; {part.size} bytes of {part.url} are kept"
                raise OutputError(message, "make room, then the same command goes on") from error
            done += len(block)
            progress(done, total, "")


def _read(url: str, response: http.client.HTTPResponse) -> bytes:
    with _network(url):
        return response.read1(BLOCK)  # what is there, so that nothing is lost when the connection breaks


def _write(file: Any, block: bytes) -> None:
    rest = memoryview(block)
    while rest:  # a disk that is nearly full takes a part
        rest = rest[file.write(rest) :]


def _parse_checksum(checksum: str | None) -> tuple[str, str]:
    """Kind and hexadecimal digits."""
    kind, _, digits = (checksum or "").lower().partition(":")
    if checksum and (len(digits) != HEX_DIGITS.get(kind) or not set(digits) <= set("0123456789abcdef")):
        raise UsageError(
            f"{checksum!r} is not a checksum", "write `sha256:` and 64 hexadecimal digits, or `md5:` and 32"
        )
    return kind, digits


def _check(part: _Part, kind: str, digits: str, progress: Progress) -> None:
    digest, done, size = hashlib.new(kind, usedforsecurity=False), 0, part.size
    with part.path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            done += len(block)
            progress(done, size, f"checking {kind}")
    if digest.hexdigest() != digits:
        part.forget()
        raise DataError(
            f"{part.url} is not the file that it should be: {kind} {digits} expected, {digest.hexdigest()} found",
            f"the file was thrown away; {BY_HAND}",
        )
