"""What the worker counts for Prometheus, and how the write API hears of it: by a file in the data directory.

The worker serves no port. It replaces `worker.prom` after each round; the API adds the file to its own metrics, and a
file that grows old (`publisher_worker_reported_timestamp_seconds`) says that the worker is gone. So it is with the
backup and `backup.prom`, with what `publisher probe` saw and `probe.prom`, and with what `publisher verify` found and
`verify.prom`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition

FILE, BACKUP_FILE, PROBE_FILE, VERIFY_FILE = "worker.prom", "backup.prom", "probe.prom", "verify.prom"
STATES = ("well", "failing", "unseen", "halted")
LAGS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class WorkerMetrics:
    """The counters of one running worker, written to a file of `data_dir`."""

    def __init__(self, data_dir: Path | str) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._path = Path(data_dir, FILE)
        made = self._registry = CollectorRegistry()
        prometheus_client.ProcessCollector(namespace="publisher_worker", registry=made)
        self.reported = Gauge(
            "publisher_worker_reported_timestamp_seconds", "When the worker last reported.", registry=made
        )
        self.publishes = Counter(
            "publisher_publishes", "Rounds of the worker that had something to do.", ["outcome"], registry=made
        )
        self.lag = Histogram(
            "publisher_publish_lag_seconds",
            "From the commit of a publish's oldest change to its delivery everywhere.",
            buckets=LAGS,
            registry=made,
        )
        self.target_lag = Histogram(
            "publisher_target_lag_seconds",
            "From the commit of the oldest change of a delivery to a target to its end.",
            ["target"],
            buckets=LAGS,
            registry=made,
        )
        self.release = Gauge("publisher_release", "The newest release.", registry=made)
        self.waiting = Gauge("publisher_objects_waiting", "Objects that targets are owed.", registry=made)
        self._targets = {
            "waiting": Gauge("publisher_target_waiting", "Objects that a target is owed.", ["target"], registry=made),
            "release": Gauge("publisher_target_release", "The release that it holds whole.", ["target"], registry=made),
            "fence": Gauge("publisher_lease_fence", "Under which it is written; 0 without.", ["target"], registry=made),
            "unpurged": Gauge("publisher_purges_waiting", "Purges that its CDN owes it.", ["target"], registry=made),
            "purge_seconds": Gauge(
                "publisher_purge_seconds",
                "From the delivery of the last purged release to its purge.",
                ["target"],
                registry=made,
            ),
        }
        self._state = Gauge(
            "publisher_target_state", "1 for how a target fares in the rollout.", ["target", "state"], registry=made
        )
        self.puts = Counter("publisher_objects_put", "Objects put.", registry=made)
        self.deletes = Counter("publisher_objects_deleted", "Objects deleted.", registry=made)
        self.bytes = Counter("publisher_put_bytes", "Bytes of the objects put.", registry=made)
        self.failed_puts = Counter(
            "publisher_put_failures", "PUTs that failed, by what kept them.", ["reason"], registry=made
        )
        self.webhook_attempts = Counter(
            "publisher_webhook_attempts", "Attempts to deliver a webhook.", ["outcome"], registry=made
        )
        self._announced = Counter(
            "publisher_indexnow_calls", "Calls that tell search engines of changed pages.", ["outcome"], registry=made
        )
        self._to_announce = Gauge("publisher_indexnow_waiting", "Pages that they are not told of yet.", registry=made)
        for outcome in ("taken", "failed"):
            self._announced.labels(outcome)
        for outcome in ("delivered", "failed"):
            self.publishes.labels(outcome)
            self.webhook_attempts.labels(outcome)

    def target(self, name: str, state: str, **figures: float | None) -> None:
        """How a target fares, and its figures: `waiting`, `release`, `fence`, `unpurged`, `purge_seconds`."""
        for figure, value in figures.items():
            if value is not None:
                self._targets[figure].labels(name).set(value)
        for one in STATES:
            self._state.labels(name, one).set(one == state)

    def announced(self, outcome: str, waiting: int) -> None:
        """A call to search engines was `taken` or `failed`, and so many pages wait to be told."""
        self._announced.labels(outcome).inc()
        self._to_announce.set(waiting)

    def write(self) -> None:
        """Replace the file; a disk that is full costs the report, not the worker."""
        with suppress(OSError):
            exposition.write_to_textfile(str(self._path), self._registry)


class BackupMetrics:
    """How far the backup is, written to a file of `data_dir`."""

    def __init__(self, data_dir: Path | str) -> None:
        self._path = Path(data_dir, BACKUP_FILE)
        self._registry = CollectorRegistry()
        self._synced = Gauge(
            "publisher_backup_synced_timestamp_seconds",
            "When all that was written was last in the backup.",
            registry=self._registry,
        )

    def synced(self, at: datetime | None) -> None:
        """Say when all was last in the backup; None leaves it as it was, so that the lag grows."""
        if at is not None:
            self._synced.set(at.timestamp())
            with suppress(OSError):
                exposition.write_to_textfile(str(self._path), self._registry)


class ProbeMetrics:
    """What `publisher probe` saw of each target, written to a file of `data_dir`."""

    def __init__(self, data_dir: Path | str) -> None:
        self._path = Path(data_dir, PROBE_FILE)
        made = self._registry = CollectorRegistry()
        self._at = Gauge("publisher_probe_timestamp_seconds", "When a probe last ended.", registry=made)
        self._ok = Gauge("publisher_probe_ok", "1 when all that a probe looked at was well.", ["target"], registry=made)
        self._took = Gauge(
            "publisher_probe_seconds", "The longest look of a probe, by what was done.", ["target", "step"],
            registry=made,
        )  # fmt: skip

    def probed(self, target: str, *, ok: bool, seconds: Mapping[str, float]) -> None:
        """How a target fared; `seconds` by step."""
        self._ok.labels(target).set(ok)
        for step, took in seconds.items():
            self._took.labels(target, step).set(took)

    def write(self, at: datetime) -> None:
        """Replace the file; where there is no data directory, or no room, nothing is reported."""
        self._at.set(at.timestamp())
        with suppress(OSError):
            exposition.write_to_textfile(str(self._path), self._registry)


class VerifyMetrics:
    """What `publisher verify` found at each target, written to a file of `data_dir`."""

    def __init__(self, data_dir: Path | str) -> None:
        self._path = Path(data_dir, VERIFY_FILE)
        made = self._registry = CollectorRegistry()
        self._at = Gauge("publisher_verify_timestamp_seconds", "When a verification last ended.", registry=made)
        self._found = Gauge(
            "publisher_verify_mismatches", "Objects that are not as they were put, before any repair.",
            ["target", "kind"], registry=made,
        )  # fmt: skip

    def found(self, target: str, kind: str, count: int) -> None:
        """How many objects of a target were `missing`, `altered`, `unrecorded` or `foreign`."""
        self._found.labels(target, kind).set(count)

    def write(self, at: datetime) -> None:
        """Replace the file; where there is no data directory, or no room, nothing is reported."""
        self._at.set(at.timestamp())
        with suppress(OSError):
            exposition.write_to_textfile(str(self._path), self._registry)


def reported(data_dir: Path | str) -> str:
    """What the worker, the backup, the probe and the verifier last wrote; empty when none ever ran here."""
    said = ""
    for name in (FILE, BACKUP_FILE, PROBE_FILE, VERIFY_FILE):
        with suppress(FileNotFoundError):
            said += Path(data_dir, name).read_text(encoding="utf-8")
    return said
