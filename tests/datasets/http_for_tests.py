"""A server on the loopback address that breaks connections, ignores ranges or changes its file, as a test asks."""

import contextlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """One file on a server, and what goes wrong with it.

    Attributes:
        body: content of the file.
        etag: ETag of the file; None sends none.
        ranges: whether the server answers ranges.
        heeds_if_range: whether it starts over when the file has another ETag.
        shift: bytes by which a range begins later than asked, once.
        content_type: Content-Type of the answer.
        declared: Content-Length, where it is not the truth.
        breaks: for each answer in turn, after how many bytes the connection is closed.
        stalls: seconds of silence before the connection is closed.
        statuses: for each answer in turn, a status instead of the file; None sends the file.
        asked: (Range, If-Range) of each request.
    """

    body: bytes
    url: str
    etag: str | None = '"one"'
    ranges: bool = True
    heeds_if_range: bool = True
    shift: int = 0
    content_type: str = "application/x-rar"
    declared: int | None = None
    breaks: list = field(default_factory=list)
    stalls: float = 0
    statuses: list = field(default_factory=list)
    asked: list = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        asked, condition = self.headers["Range"], self.headers["If-Range"]
        site.asked.append((asked, condition))
        first = 0
        if asked and site.ranges and (condition == site.etag or not site.heeds_if_range):
            first = int(asked.removeprefix("bytes=").removesuffix("-")) + site.shift
            site.shift = 0
        status = (site.statuses.pop(0) if site.statuses else None) or (416 if first >= len(site.body) else None)
        if status:
            self.send_error(status)
            return
        content = site.body[first:]
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(site.body) - 1}/{len(site.body)}")
        if site.etag:
            self.send_header("ETag", site.etag)
        self.send_header("Content-Type", site.content_type)
        self.send_header("Content-Length", str(site.declared or len(content)))
        self.end_headers()
        end = site.breaks.pop(0) if site.breaks else None
        with contextlib.suppress(OSError):
            self.wfile.write(content[:end])
            self.wfile.flush()
            time.sleep(site.stalls if end is not None else 0)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(body, **settings):
    """A site that answers while the block lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        server.site = Site(body, f"http://127.0.0.1:{server.server_port}/videos.rar", **settings)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server.site
        finally:
            server.shutdown()
