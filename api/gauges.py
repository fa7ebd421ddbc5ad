"""What is looked up whenever the metrics are read: what waits, how old it is, how large the stores are.

All of it is true with the worker gone, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.newsroom import Newsroom
from publisher.content import deliveries, log, webhooks
from publisher.content.database import Database
from publisher.delivery.receipts import Receipts

DATABASES = ("content", "ledger")


class Stores(Collector):
    """The outbox, the files of the databases, the disk."""

    def __init__(self, newsroom: Newsroom) -> None:
        self._newsroom = newsroom

    def collect(self) -> Iterable[Metric]:
        """Every family with its values now."""
        newsroom = self._newsroom
        receipts = Receipts(newsroom.data_dir / "ledger.db")
        try:
            built, delivered = receipts.basis().seq, receipts.everywhere()
        finally:
            receipts.close()
        depth, oldest = newsroom.ask(_outbox, delivered, datetime.now(UTC))
        yield _gauge("publisher_built_change", "The newest change that is built.", built)
        yield _gauge("publisher_delivered_change", "The newest change that is at every target.", delivered)
        yield _gauge("publisher_changes_to_publish", "Changes that are not yet at every target.", depth)
        yield _gauge("publisher_oldest_unpublished_seconds", "Age of the oldest of them; 0 when none waits.", oldest)
        yield _gauge("publisher_writer_waiting", "Writes that wait for the writer.", newsroom.writes_waiting)
        yield _gauge("publisher_disk_free_bytes", "Free bytes on the disk of the data.", newsroom.health.free())
        yield _gauge("publisher_disk_low_water_bytes", "Free bytes that it needs.", newsroom.health.low_water)
        yield from _files(newsroom.data_dir)
        yield from newsroom.ask(_webhooks, datetime.now(UTC))

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not look anything up."""
        return ()


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _files(folder: Path) -> Iterable[Metric]:
    whole = GaugeMetricFamily("publisher_database_bytes", "Size of a database's file.", labels=["database"])
    ahead = GaugeMetricFamily("publisher_wal_bytes", "Size of a database's write-ahead log.", labels=["database"])
    for name in DATABASES:
        whole.add_metric([name], _size(folder / f"{name}.db"))
        ahead.add_metric([name], _size(folder / f"{name}.db-wal"))
    yield whole
    yield ahead


def _webhooks(db: Database, now: datetime) -> list[Metric]:
    count, oldest = deliveries.waiting(db)
    age = 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)
    known = webhooks.listed(db)
    states = GaugeMetricFamily("publisher_webhooks", "Webhooks.", labels=["state"])
    states.add_metric(["enabled"], sum(each.enabled for each in known))
    states.add_metric(["disabled"], sum(not each.enabled for each in known))
    return [
        states,
        _gauge("publisher_webhook_deliveries_waiting", "Deliveries to webhooks that wait.", count),
        _gauge("publisher_webhook_oldest_waiting_seconds", "Age of the oldest of them; 0 when none waits.", age),
    ]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _outbox(db: Database, delivered: int, now: datetime) -> tuple[int, float]:
    """How many changes wait, and the age in seconds of the oldest."""
    waiting: Any = next(log.since(db, delivered, limit=1), None)
    if waiting is None:
        return 0, 0.0
    return log.head(db) - delivered, max((now - waiting.at).total_seconds(), 0.0)
