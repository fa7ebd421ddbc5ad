"""A published site behind an edge of one's own, which can be switched off, break, and publish while pages are open."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from publisher.edges import ALWAYS, DOCUMENT
from publisher.site.artifact import IMMUTABLE
from publisher.site.pages import Site
from tests.newsroom import Newsroom
from tests.serving import serving


class Served:
    """A newsroom whose bucket is read at `url`. `asked` has the paths that were asked for, `sent` counts bytes.

    `slow` has seconds by path, and what is `cut` ends in the middle. Unless it `is_kept_by_browsers`, a browser asks
    for pages and documents each time; otherwise it may answer from its own cache for as long as their headers say, and
    a worker that keeps them is not put to the test.
    """

    def __init__(
        self, folder: Path, server: http.server.ThreadingHTTPServer, *, offline: bool = True, language: str = "es"
    ) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        site = Site(title="RandomCameraReviews", language=language, url=self.url, offline=offline)
        self.room = Newsroom(folder, site=site)
        self.room.clock.at = datetime.now(UTC) - timedelta(hours=1)
        self.is_off = False
        self.is_kept_by_browsers = True
        self.slow: dict[str, float] = {}
        self.broken: dict[str, tuple[int, str]] = {}
        self.cut: set[str] = set()
        self.asked: list[str] = []
        self.sent = 0

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path, as the edges of this project answer."""
        key = path.lstrip("/") + ("index.html" if path.endswith("/") else "")
        key = "content/index.json" if path == "/content" else key
        status, key = (200, key) if key in self.room.target.bodies else (404, "404.html")
        kind, cache = self.room.target.headers[key]
        if path in self.broken:
            status, kind = self.broken[path]
        if not self.is_kept_by_browsers and cache != IMMUTABLE:
            cache = "no-cache"
        headers = {"Content-Type": kind, "Cache-Control": cache if status == 200 else "no-store", **ALWAYS}
        headers |= DOCUMENT if kind.startswith(("text/html", "image/svg")) else {}
        return status, headers, self.room.target.bodies[key]


@contextmanager
def served(*, offline: bool = True, language: str = "es") -> Iterator[Served]:
    """A server of a newsroom, with nothing published yet."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # an older one has no conditions

        def do_GET(self) -> None:
            if site.is_off:
                self.close_connection = True
                return
            path = self.path.partition("?")[0]
            site.asked.append(path)
            time.sleep(site.slow.get(path, 0))
            status, headers, body = site.answer(path)
            if not headers["Content-Type"].startswith("image/png"):
                body, headers["Content-Encoding"] = gzip.compress(body, 5, mtime=0), "gzip"
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if status == 200 and self.headers.get("If-None-Match") == headers["ETag"]:
                status, body = 304, b""
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            head = sum(len(name) + len(value) + 4 for name, value in headers.items())
            self.end_headers()
            if path in site.cut:
                body, self.close_connection = body[: len(body) // 2], True
            self.wfile.write(body)
            site.sent += head + len(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with tempfile.TemporaryDirectory() as folder:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        site = Served(Path(folder), server, offline=offline, language=language)
        with closing(site.room), serving(server):
            yield site
