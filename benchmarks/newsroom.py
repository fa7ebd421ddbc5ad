"""A site for measurements: a database full of invented reviews, and the embedded stack over it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import generator
from publisher import local, plant
from publisher import settings as configuration
from publisher.content import database, editors, effects, log
from publisher.content.model import Role
from publisher.content.writer import Writer
from publisher.delivery.ledger import Ledger
from publisher.settings import Settings

EMAIL = "measure@example.com"
PASSWORD = "a password for measurements"
SITE_URL = "https://reviews.example"
PATIENCE_SECONDS = 60.0
"""The longest wait for a delivery, but for that of a whole site."""


def filled(folder: Path, count: int, *, say: generator.Say = lambda reviews: reviews) -> Settings:
    """Settings of a data directory in `folder` whose database holds `count` reviews and one administrator.

    `say` may give the reviews other words.
    """
    chosen = configuration.load(
        {
            "DATA_DIR": str(folder), "SITE_URL": SITE_URL,
            "STACK_EDGE_PORT": "0", "STACK_S3_PORT": "0", "API_PORT": "0",
        }
    )  # fmt: skip
    generator.fill(chosen.data.content_db, count, say=say)
    password_hash = editors.hash_password(PASSWORD)
    with Writer(chosen.data.content_db) as writer:
        writer.run(
            lambda tx: editors.create(
                tx, email=EMAIL, name="Medición", role=Role.administrator, password_hash=password_hash
            )
        )
    return chosen


def stack(settings: Settings, parts: Sequence[local.Part] = local.PARTS) -> local.Stack:
    """The embedded stack, to be entered."""
    return local.Stack(settings, announce=lambda said: None, parts=parts)


def product_ids(settings: Settings) -> list[str]:
    """The ids of the catalogue's products, in its order."""
    return _first_column(settings, "SELECT id FROM products ORDER BY ordinal")


def review_ids(settings: Settings) -> list[str]:
    """The ids of the reviews that readers see, by address."""
    return _first_column(settings, "SELECT id FROM reviews WHERE state = 'published' ORDER BY slug")


def _first_column(settings: Settings, question: str) -> list[str]:
    db = database.connect(settings.data.content_db, readonly=True)
    try:
        return [row[0] for row in db.execute(question)]
    finally:
        db.close()


class Watch:
    """What the ledger of a running stack says of its worker."""

    def __init__(self, settings: Settings) -> None:
        self._target = plant.regions(settings)[0].name
        self._ledger = Ledger(settings.data.ledger_db)
        self._db = database.connect(settings.data.content_db, readonly=True)

    def close(self) -> None:
        """Close the ledger and the database."""
        self._ledger.close()
        self._db.close()

    def delivered(self) -> int:
        """The newest release that the bucket holds whole."""
        return self._ledger.delivered_release(self._target)

    def newest(self) -> int:
        """The number of the newest public change: the version of the content that readers should have."""
        return effects.newest(self._db).number

    def puts(self, release: int) -> int:
        """How many objects were put to deliver `release`."""
        rows = self._ledger.connection.execute(
            "SELECT puts FROM deliveries WHERE target = ? AND release = ?", (self._target, release)
        ).fetchall()
        return int(rows[0][0]) if rows else 0

    def await_delivery(self, after: int, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until a release newer than `after` is delivered, and return its number."""
        until = time.monotonic() + seconds
        while (newest := self.delivered()) <= after:
            if time.monotonic() > until:
                raise RuntimeError(f"nothing was delivered after release {after} within {seconds:.0f} s")
            time.sleep(0.02)
        return newest

    def await_purges(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until nothing waits to be built, sent or forgotten by a CDN."""
        until = time.monotonic() + seconds
        while (
            self._ledger.cursor() < log.head(self._db)
            or self._ledger.waiting(self._target)
            or self._ledger.connection.execute(
                "SELECT EXISTS (SELECT 1 FROM purges WHERE target = ?)", (self._target,)
            ).fetchone()[0]
        ):
            if time.monotonic() > until:
                raise RuntimeError(f"purges still wait after {seconds:.0f} s")
            time.sleep(0.02)


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a command that works on the data directory of `settings`.

    It may keep its bytecode, as an installed package has it: else each process compiles the publisher anew.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | configuration.environment(settings)


def files(settings: Settings) -> int:
    """How many files the site has, as the ledger of a data directory knows it."""
    ledger = Ledger(settings.data.ledger_db)
    try:
        return ledger.counts()["all"]
    finally:
        ledger.close()
