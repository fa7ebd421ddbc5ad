"""IndexNow (https://www.indexnow.org/documentation): search engines are told which pages changed.

What a release changed is noted in the ledger when it is met, and told when every target has it and its CDN confirmed
that it forgot what was before, so that an engine which comes at once gets what is new. It stays noted until it is
taken. A thread of its own does both, so that no publish waits for it. What was published before it began is for the
sitemaps to say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import urllib3
from pysqlite3 import dbapi2 as sqlite3

from publisher.delivery.cdn import address
from publisher.delivery.journal import Journal, transaction
from publisher.errors import AnnouncingError, DeliveryError

BATCH = 10_000
"""Addresses in one call at most: the protocol's own limit."""
EVERY_SECONDS = 10.0
"""Between two calls, so that publishes on end are told in one."""
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = (5.0, 3600.0)
"""The first and the longest wait after a failure."""
TIMEOUT_SECONDS = 10.0
FOLDERS = ("reviews", "cameras", "lenses", "brands", "editors", "tags")
SCHEMA = """
CREATE TABLE IF NOT EXISTS announcements (
    address TEXT PRIMARY KEY, release INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS announcing (
    id INTEGER PRIMARY KEY CHECK (id = 1), noted INTEGER NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
    at TEXT, next_try_at TEXT
) STRICT;
"""
_CHANGED = "SELECT DISTINCT key, max(release) FROM undo WHERE release > ? AND release <= ? GROUP BY key"
_REACHED = """
SELECT min(release) FROM (
    SELECT CASE WHEN purges THEN
        (SELECT coalesce(max(release), 0) FROM reached WHERE stage = 'purged' AND target = routes.target)
    ELSE (SELECT coalesce(max(release), 0) FROM deliveries WHERE target = routes.target) END AS release
    FROM routes WHERE target NOT IN (SELECT target FROM halts)
)
"""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told, with which key, of the pages of which site (its base URL, without a final slash)."""

    url: str
    key: str
    site_url: str

    def message(self, addresses: list[str]) -> bytes:
        """What is posted."""
        return msgspec.json.encode(
            {
                "host": urlsplit(self.site_url).netloc, "key": self.key,
                "keyLocation": f"{self.site_url}/{self.key}.txt",
                "urlList": [self.site_url + one for one in addresses],
            }
        )  # fmt: skip


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How many addresses are not told yet; why the last call failed, how often that was, and when it is made again."""

    waiting: int
    attempts: int = 0
    reason: str = ""
    next_try_at: datetime | None = None


class Announcer:
    """Works from `start` to `close`; `turn` is one look, and says how many addresses were taken."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Path | str,
        *,
        clock: Callable[[], datetime],
        every: float = EVERY_SECONDS,
        count: Callable[[str, int], None] = lambda outcome, waiting: None,
    ) -> None:
        """`count` is told of each call, `taken` or `failed`, and of how many addresses wait after it."""
        self._endpoint, self._clock, self._every, self._count = endpoint, clock, timedelta(seconds=every), count
        self._journal = Journal.open(ledger)
        self._conn = self._journal.connection
        self._pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        with transaction(self._conn):
            for statement in filter(str.strip, SCHEMA.split(";")):
                self._conn.execute(statement)
            self._conn.execute(
                "INSERT OR IGNORE INTO announcing SELECT 1, coalesce(max(number), 0), 0, '', NULL, NULL FROM releases"
            )

    def start(self) -> None:
        """Begin to look, now and every second."""
        self._thread = threading.Thread(target=self._work, name="indexnow", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; a call under way is waited for. What was not taken stays noted."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._journal.close()

    def turn(self) -> int:
        """Note what was published, and tell what every reader gets by now, if it is time."""
        self._note()
        at = self._clock()
        due = [] if _must_wait(standing(self._conn).next_try_at, at) else self._due()
        if not due:
            return 0
        try:
            self._post([one for one, _ in due])
        except AnnouncingError as error:
            self._failed(error, at)
            return 0
        with transaction(self._conn):
            self._conn.executemany("DELETE FROM announcements WHERE address = ? AND release = ?", due)
            self._conn.execute(
                "UPDATE announcing SET attempts = 0, reason = '', at = ?, next_try_at = ?",
                (at.isoformat(), (at + self._every).isoformat()),
            )
        self._count("taken", standing(self._conn).waiting)
        return len(due)

    def _work(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            with suppress(DeliveryError, sqlite3.Error):  # a ledger that is busy or gone is tried again
                self.turn()

    def _note(self) -> None:
        """Note the addresses that releases changed since the last that was looked at."""
        (noted,) = self._conn.execute("SELECT noted FROM announcing").fetchone()
        (newest,) = self._conn.execute("SELECT coalesce(max(number), 0) FROM releases").fetchone()
        if newest == noted:
            return
        with transaction(self._conn):
            changed = self._conn.execute(_CHANGED, (noted if noted < newest else 0, newest)).fetchall()
            rows = [(address(key), release) for key, release in changed if is_told(key)]
            self._conn.executemany("REPLACE INTO announcements VALUES (?, ?)", rows)
            self._conn.execute("UPDATE announcing SET noted = ?", (newest,))

    def _due(self) -> list[tuple[str, int]]:
        """Addresses with their releases that every target has, and whose CDN forgot what was before."""
        query = f"SELECT address, release FROM announcements WHERE release <= ({_REACHED}) ORDER BY release LIMIT ?"
        return [(row[0], row[1]) for row in self._conn.execute(query, (BATCH,))]

    def _post(self, addresses: list[str]) -> None:
        """One call. Raises AnnouncingError unless it is taken."""
        try:
            answer = self._pool.request(
                "POST", self._endpoint.url, body=self._endpoint.message(addresses), redirect=False,
                headers={"Content-Type": "application/json; charset=utf-8"},
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise AnnouncingError(f"IndexNow cannot be reached: {type(error).__name__}") from error
        if not 200 <= answer.status < 300:
            raise AnnouncingError(_refusal(answer.status), _seconds(answer.headers.get("Retry-After")))

    def _failed(self, error: AnnouncingError, at: datetime) -> None:
        attempts = standing(self._conn).attempts + 1
        first, longest = PATIENCE_SECONDS
        pause = max(min(first * 2.0 ** min(attempts - 1, 32), longest), error.retry_after or 0.0)
        with transaction(self._conn):
            self._conn.execute(
                "UPDATE announcing SET attempts = ?, reason = ?, at = ?, next_try_at = ?",
                (attempts, str(error), at.isoformat(), (at + timedelta(seconds=pause)).isoformat()),
            )
        self._count("failed", standing(self._conn).waiting)


def is_told(key: str) -> bool:
    """Whether a key is a page that search engines are told of: all that readers would look for, and no numbered one."""
    folder, *rest = key.removesuffix("/index.html").split("/")
    return key == "index.html" or (key.endswith("/index.html") and folder in FOLDERS and len(rest) == 1)


def standing(conn: Any) -> Standing:
    """How it stands, from a connection to the ledger; nothing waits where nobody was ever told."""
    if conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'announcing'").fetchone() is None:
        return Standing(waiting=0)
    (waiting,) = conn.execute("SELECT count(*) FROM announcements").fetchone()
    attempts, reason, next_try_at = conn.execute("SELECT attempts, reason, next_try_at FROM announcing").fetchone()
    return Standing(
        waiting=waiting, attempts=attempts, reason=reason,
        next_try_at=None if next_try_at is None else datetime.fromisoformat(next_try_at),
    )  # fmt: skip


def _must_wait(next_try_at: datetime | None, at: datetime) -> bool:
    """Whether it is not time yet; further ahead than the longest wait, a clock that was wrong has noted it."""
    return next_try_at is not None and at < next_try_at <= at + timedelta(seconds=PATIENCE_SECONDS[1])


def _refusal(status: int) -> str:
    """What a refusal means, in the protocol's words."""
    meanings = {
        400: "it does not understand the message",
        403: "the key is not valid: its file must be readable at the site's root",
        422: "the addresses are not of the host in SITE_URL, or the key is not",
        429: "it was told too much for now",
    }
    return f"IndexNow answered {status}{f': {meanings[status]}' if status in meanings else ''}"


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a `Retry-After`, at most the longest wait; the form that is a date counts as none."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdecimal()):
        return None
    return min(float(retry_after[:9]), PATIENCE_SECONDS[1])
