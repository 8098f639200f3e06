"""A web server on this machine that misbehaves as told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has, and how it behaves.

    Args:
        files: content by path.
        ranges: whether it can send a part.
        cut_after: bytes of a reply after which the connection is cut, for that many replies.
        cuts: how many replies are cut.
        failing: replies that are status 503 before the first good one.
        lengthless: no Content-Length is told.
        seen: (path, range asked for) of each request.
    """

    files: dict[str, bytes]
    ranges: bool = True
    cut_after: int = 0
    cuts: int = 0
    failing: int = 0
    lengthless: bool = False
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Run the server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.seen.append((self.path, asked))
            if site.failing:
                site.failing -= 1
                self.send_error(503)
                return
            data = site.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            self._send(data, int(asked[6:-1]) if asked and site.ranges else 0, bool(asked))

        def _send(self, data: bytes, start: int, asked: bool) -> None:
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if asked and site.ranges else 200)
            if asked and site.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            if not site.lengthless:
                self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            body = data[start:]
            if site.cuts:
                site.cuts -= 1
                body = body[: site.cut_after]
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def range_start(asked: str | None) -> int:
    """The first byte of a Range header; 0 where there is none."""
    match = re.fullmatch(r"bytes=([0-9]+)-", asked or "")
    return int(match[1]) if match else 0
